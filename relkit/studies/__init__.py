"""Questions that need both tables and a study, or two studies, each asked in one line."""
