"""The scenarios. In each module, `measure` returns figures that fit into JSON, and `show` returns a table of them."""
