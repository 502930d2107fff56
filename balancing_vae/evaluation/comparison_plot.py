"""A bar plot of measured numbers next to the published ones."""

import os
from collections.abc import Sequence

from balancing_vae.evaluation.comparison import Number
from balancing_vae.evaluation.comparison import by_line


def plot_comparison(numbers: Sequence[Number], path: str | os.PathLike) -> None:
    """Draw one panel for each column and metric, with one bar for each line of the table.

    Error bars show the known deviations. Moments are left out, because no paper reports them.

    Args:
        numbers: What `compare` returned.
        path: The picture to write; its suffix decides the format. An existing file is
            replaced.

    Raises:
        OSError: The file cannot be written.

    Example:
        ```python
        plot_comparison(compare(["runs/a"]), "comparison.png")
        ```
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from balancing_vae.figures.style import colors
    from balancing_vae.figures.style import save_figure
    from balancing_vae.figures.style import style

    lines, titles = by_line([n for n in numbers if n.protocol or not n.measured_here])
    # FID and FD(...) share only the formula, so they never share an axis.
    kinds = [
        (title, metric)
        for title in titles
        for metric in dict.fromkeys(line.metric for line, cells in lines.items() if title in cells)
    ]
    protocols = dict.fromkeys(line.protocol or "not stated" for line in lines)
    color = dict(zip(protocols, colors(), strict=False))
    with style():
        figure = Figure(figsize=(3 + 3.2 * len(kinds), 1.2 + 0.32 * len(lines)))
        panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for (title, metric), panel in zip(kinds, panels, strict=True):
            for place, (line, cells) in enumerate(lines.items()):
                if title in cells and line.metric == metric:
                    panel.barh(
                        place,
                        cells[title].value,
                        xerr=cells[title].deviation,
                        color=color[line.protocol or "not stated"],
                        edgecolor="black" if line.measured_here else "none",
                        hatch="//" if line.measured_here else None,
                        capsize=3,
                    )
            panel.set(title=title, xlabel=metric)
            panel.grid(visible=False, axis="y")
        labels = [f"{line.system} ({line.dataset})" for line in lines]
        panels[0].set_yticks(range(len(lines)), labels)
        panels[0].invert_yaxis()
        handles = [Patch(color=color[protocol], label=protocol) for protocol in protocols]
        handles.append(
            Patch(facecolor="white", edgecolor="black", hatch="//", label="measured here")
        )
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    save_figure(path, figure)
