"""Markdown of a model, parsed once and written as HTML, Markdown or MathML."""
