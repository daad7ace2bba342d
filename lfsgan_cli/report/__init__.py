"""The report: what a workspace or a benchmark folder holds, as one page to look at, as Markdown and as CSV."""
