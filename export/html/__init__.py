"""Reports as pages to look at: one file each, which needs no network and no server."""
