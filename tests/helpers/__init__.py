"""What tests share: tiny pipelines, images in real layouts, damage, other processes."""
