"""Files on their way in and out, from bytes to rows of the database."""
