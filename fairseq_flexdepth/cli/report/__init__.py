"""The report of ``sweep``: tables, pictures, the page."""
