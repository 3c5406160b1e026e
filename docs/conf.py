"""Configuration of the documentation site, built by Sphinx.

Nothing is fetched while the site is built, and the pages load nothing from other hosts.
"""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "asyncctx-trace"
author = "the asyncctx-trace maintainers"
copyright = f"{author}. Apache-2.0"
release = installed_version("asyncctx-trace")
version = ".".join(release.split(".")[:2])

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# Links to a heading that does not exist, to a page that does not exist, and to a public name that
# is not documented are warnings; the build runs with -W, so each of them fails it.
nitpicky = True
# Types of other projects and of the standard library: resolving them would need the network.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!asyncctx_trace\.).*"),
    # Returned by public functions, but not part of the public API.
    (r"py:.*", r"asyncctx_trace\.analysis\..*"),
    (r"py:.*", r"asyncctx_trace\..*\.T"),
]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist", "substitution"]
suppress_warnings = ["myst.header"]

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "asyncctx-trace"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
