from .images import draw_images as draw_images
from .style import save_figure as save_figure
from .tables import Table as Table
from .training_curves import draw_training_curves as draw_training_curves
