"""What reduced precision costs: networks by formats, with the tools of others beside."""
