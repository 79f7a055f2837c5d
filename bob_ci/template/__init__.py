"""One template source, two renderers (FORMAT.md 3).

`compile` reads YAML text with `$values.x` or Jinja2 in it into a small tree. `evaluate` runs the tree in
Python; `gotemplate` prints it as Helm text. Both say the same, for there is only one tree.
"""
