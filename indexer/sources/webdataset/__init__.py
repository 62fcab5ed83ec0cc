"""WebDatasets: tar archives whose members, taken together by name, are pictures and attributes."""
