"""Training; torch lives in these modules and nowhere else (the extra `[train]`)."""
