"""Turn an exception into the user's message and the exit code."""

from balancing_vae.errors import BalancingVAEError

FAULT = 1
REFUSED = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
CLOSED_PIPE = 141  # 128 + SIGPIPE, as other programs exit, for `set -o pipefail`
LONGEST_MESSAGE = 500
# TensorFlow's and PyTorch's exceptions, which are not MemoryErrors.
OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")


def explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code and one sentence for an exception that ended a command.

    Args:
        error: The exception; not a `SystemExit`.

    Returns:
        The code and the sentence, which may be empty.
    """
    match error:
        case BalancingVAEError():
            return REFUSED, error.cli_message
        case KeyboardInterrupt():
            return INTERRUPTED, "interrupted."
        case BrokenPipeError():
            return CLOSED_PIPE, ""
        case OSError():
            return REFUSED, _reason_of_the_machine(error)
        case RecursionError():
            return REFUSED, "the input is nested too deeply."
    message = " ".join(str(error).split())[:LONGEST_MESSAGE]
    if isinstance(error, MemoryError) or type(error).__name__ in OUT_OF_MEMORY:
        return REFUSED, (
            f"there is not enough memory{f' ({message})' if message else ''}; use fewer images, "
            "smaller batches or a smaller network."
        )
    return FAULT, (
        f"this is a bug in balancing_vae: {type(error).__name__}: {message or 'no message'}. "
        "Please report it with the output of the same command and --traceback."
    )


def _reason_of_the_machine(error: OSError) -> str:
    """Return for example "data/a.npy: Permission denied.", or only the library's text."""
    if error.strerror is None:
        return " ".join(str(error).split())[:LONGEST_MESSAGE] or f"{type(error).__name__}."
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return f"{' -> '.join(names)}{': ' if names else ''}{error.strerror}."
