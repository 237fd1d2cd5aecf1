"""The report of ``sweep``: its columns, facts, tables, pictures, page and files."""
