// Runs a Python file on the CPython of a Pyodide: node wasm.mjs PYODIDE CHECKOUT FILE TOLD
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, checkout, file, told] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
const python = await loadPyodide();
python.FS.mkdirTree("/checkout");
python.FS.mount(python.FS.filesystems.NODEFS, { root: checkout }, "/checkout");
python.globals.set("told", readFileSync(told, "utf8"));
try {
  python.runPython(readFileSync(file, "utf8"), { filename: file });
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
