"""Code that tests share: tiny pipelines, images in real layouts, damaged files, processes."""
