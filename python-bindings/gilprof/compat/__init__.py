"""Other tools' interfaces, with gilprof's numbers."""
