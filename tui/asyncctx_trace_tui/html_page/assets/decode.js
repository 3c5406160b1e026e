// ---- reading the columns that columns.py writes ----------------------------------------------
async function inflate(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
// Returns name -> Float64Array. Bytes are stored by significance: see columns.py.
async function unpack(packed) {
  const bytes = await inflate(packed.bytes), columns = {};
  let place = 0;
  for (const [name, count, size] of packed.columns) {
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      // The most significant byte has the sign.
      let value = bytes[place + (size - 1) * count + i] << 24 >> 24;
      for (let byte = size - 2; byte >= 0; byte--) value = value * 256 + bytes[place + byte * count + i];
      values[i] = value;
    }
    columns[name] = values;
    place += size * count;
  }
  return columns;
}
const unpackText = async text => new TextDecoder().decode(await inflate(text)).split("\n");
function runningSums(values) {
  for (let i = 1; i < values.length; i++) values[i] += values[i - 1];
  return values;
}
