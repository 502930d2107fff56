"""A pipeline in a few lines: no weight, gamma or sampler is hidden."""


def summary(vae) -> str:
    """Return what a pipeline consists of and how far it is trained.

    Args:
        vae: A `TwoStageVAE`.

    Returns:
        A line each for the whole, its stages, its samplers and its normalisation.
    """
    config = vae.config
    networks = {
        "stage1": config.network["name"],
        "stage2": f"latent, {config.second_depth} x {config.second_dim}"
        if config.second_network is None
        else config.second_network["name"],
    }
    lines = [f"TwoStageVAE({config.preset or 'own config'}, images {config.image_shape})"]
    for name, stage in vae.stages.items():
        lines.append(
            f"  stage {name[-1]}: {networks[name]}; {stage.latent_dim} latents; "
            f"{stage.count_params():,} parameters; {stage.describe()}; "
            f"{stage.trained_epochs} epochs trained"
        )
    if vae.stage2 is None:
        lines.append("  stage 2: none")
    fitted = [name for name in vae.samplers if name != "prior"]
    first, second = config.samplers
    lines.append(f"  samplers: GEN-1 {first}, GEN-2 {second}; fitted: {', '.join(fitted) or '-'}")
    normalization = vae.latent_normalization
    lines.append(
        f"  normalisation: {'not fitted' if normalization is None else normalization.mode}"
    )
    return "\n".join(lines)
