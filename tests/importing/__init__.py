"""Tests of import and export, from the bytes of a file to rows of the database."""
