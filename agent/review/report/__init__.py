"""The report of a trait: model, builder, charts, and the HTML and Markdown made from them."""
