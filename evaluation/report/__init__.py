"""The report as a document, and every form in which it is read: page, text, one file, a link."""
