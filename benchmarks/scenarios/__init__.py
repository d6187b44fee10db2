"""What is measured: each module has `measure`, which returns figures fit for JSON, and `show`, which tabulates them."""
