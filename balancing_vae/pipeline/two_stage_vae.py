"""The two-stage VAE: build, train, sample, save and load."""

import os
import random
import warnings
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from balancing_vae.backend.compilation import check_compile_arguments
from balancing_vae.backend.compilation import silence_false_retracing_alarm
from balancing_vae.backend.distribution import is_first_process
from balancing_vae.backend.inference import predict
from balancing_vae.backend.inference import to_numpy
from balancing_vae.balancing import ComputedGamma
from balancing_vae.checks import as_float
from balancing_vae.checks import check_finite
from balancing_vae.config import LARGEST_SEED
from balancing_vae.config import PRIOR
from balancing_vae.config import SECOND_STAGE
from balancing_vae.config import Config
from balancing_vae.datasets.padding import unpad
from balancing_vae.errors import InputError
from balancing_vae.errors import find_stack_level
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.moments_table import Evaluation
from balancing_vae.evaluation.moments_table import evaluate_moments
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.formats import SAVED
from balancing_vae.files.lock import locked_run
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.networks.registry import describe_networks
from balancing_vae.normalization import DEFAULT_MODE
from balancing_vae.normalization import MODES
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.normalization import NothingRescaledWarning
from balancing_vae.pipeline.history import History
from balancing_vae.pipeline.plots import Plots
from balancing_vae.pipeline.resuming import begin_second_stage_again
from balancing_vae.pipeline.resuming import check_callbacks
from balancing_vae.pipeline.resuming import check_epochs
from balancing_vae.pipeline.resuming import is_behind
from balancing_vae.pipeline.resuming import read_states_into
from balancing_vae.pipeline.saving import read_into
from balancing_vae.pipeline.saving import write_pipeline
from balancing_vae.pipeline.sharing import push_pipeline
from balancing_vae.pipeline.stages import build_stages
from balancing_vae.pipeline.stages import change_optimizer
from balancing_vae.pipeline.stale import NORMALIZATION
from balancing_vae.pipeline.stale import check_fresh
from balancing_vae.pipeline.stale import now
from balancing_vae.pipeline.summary import html_summary
from balancing_vae.pipeline.summary import summary
from balancing_vae.pipeline.training_images import samplers_to_fit
from balancing_vae.pipeline.training_images import training_images
from balancing_vae.presets import preset_config
from balancing_vae.pretrained import find
from balancing_vae.pretrained import pin
from balancing_vae.samplers import OF_THE_MODEL
from balancing_vae.samplers import Prior
from balancing_vae.samplers import Sampler
from balancing_vae.samplers import SecondStage
from balancing_vae.samplers import check_options
from balancing_vae.samplers import fit_sampler
from balancing_vae.samplers.sampler import check_count
from balancing_vae.samplers.second_stage import check_adds_noise
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import read_finished
from balancing_vae.storage.samplers import resumable_fit
from balancing_vae.training.callbacks.time_limit import deadline_of
from balancing_vae.training.callbacks.time_limit import unfinished_is_told
from balancing_vae.training.loop import MEASURED_IMAGES
from balancing_vae.training.loop import fit_stage
from balancing_vae.training.optimizer import describe_optimizer
from balancing_vae.training.posterior import draw
from balancing_vae.training.posterior import encode
from balancing_vae.training.posterior import measure_gamma
from balancing_vae.training.sources import ImageBatches
from balancing_vae.training.sources import as_source
from balancing_vae.training.sources import drawn_images
from balancing_vae.training.sources import first_images
from balancing_vae.training.sources import held_out_count
from balancing_vae.training.sources import images_to_fit


class TwoStageVAE(Plots):
    """A VAE of images, a second VAE of its latents, and a normalisation of their variance.

        images -> stage 1 -> posterior (mu, sigma) -> stage 2
        images <- decoder <- latent normalisation  <- sampler

    The sampler is the prior, the second stage, or a density fitted after training. The config's
    `samplers` determine which of them `stage=1` and `stage=2` use.

    Args:
        config: The hyperparameters.
        encoder: Your own encoder, from images to `mu` and `log_sigma` (or to the outputs that
            the config's model takes), in place of the network in the config.
        decoder: Your own decoder; give both or neither.
        second_encoder: Your own encoder of the second stage, from latents [B, L] to `mu` and
            `log_sigma` [B, L], in place of its dense layers.
        second_decoder: Your own decoder of the second stage, from [B, L] to [B, L]; give both
            or neither.

    Attributes:
        stage1: The first stage, a compiled Keras model.
        stage2: The second stage, a compiled Keras model; None if the config's samplers do not
            include "second_stage".
        samplers: Samplers of latents by name: the prior, the second stage if there is one, and
            samplers that were fitted after training.
        history: One row for each epoch trained: stage, epoch, losses, gamma.
        fitted_at: Times at which samplers and normalisation were fitted in this process, by
            name.
        latent_normalization: Fitted normalisation of latents; None before it is fitted.
        image_normalization: Fitted normalisation of images; None before it is fitted.
        finished: Whether the last `fit` was completed and not ended by a time limit.
        last_seed: The seed of the last `generate` or `sample_latents`, given or drawn; None
            before the first.
        source: The name given to `from_pretrained`; for the Hugging Face Hub it has the hash of
            the commit, `hf://owner/name@commit`. None without `from_pretrained`.

    Raises:
        ValueError: The config's network does not match its images, your encoder and decoder do
            not match each other, or a sampler is unknown.

    Example:
        ```python
        vae = TwoStageVAE.untrained("digits")
        vae.fit(x_train)
        samples = vae.generate(100, stage=2, normalize=True, seed=0)
        ```
    """

    def __init__(
        self,
        config: Config,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        second_encoder: keras.Model | None = None,
        second_decoder: keras.Model | None = None,
    ):
        networks = _pair(encoder, decoder)
        if networks is not None:
            config = config.replace(network=describe_networks(*networks))
        second_networks = _pair(second_encoder, second_decoder)
        if second_networks is not None:
            config = config.replace(second_network=describe_networks(*second_networks))
        self.config = config
        silence_false_retracing_alarm()
        self.stage1, self.stage2 = build_stages(config, networks, second_networks)
        self.samplers: dict[str, Sampler] = {PRIOR: Prior(config.latent_dim)}
        if self.stage2 is not None:
            self.samplers[SECOND_STAGE] = SecondStage(
                self.stage2, config.batch_size, config.second_stage_noise
            )
        self.history = History()
        self.fitted_at: dict[str, int] = {}
        self.latent_normalization: LatentNormalization | None = None
        self.image_normalization: ImageNormalization | None = None
        self.last_seed: int | None = None
        self.source: str | None = None
        self.finished = True

    @property
    def stages(self) -> dict[str, Autoencoder]:
        """The existing stages by the name of their files."""
        stages = {"stage1": self.stage1, "stage2": self.stage2}
        return {name: stage for name, stage in stages.items() if stage is not None}

    @property
    def fitted_samplers(self) -> dict[str, Sampler]:
        """The samplers that were fitted after training, by name."""
        return {name: s for name, s in self.samplers.items() if name not in OF_THE_MODEL}

    @classmethod
    def untrained(cls, name: str, **changes) -> "TwoStageVAE":
        """Make an untrained two-stage VAE with a preset's hyperparameters.

        A preset consists only of hyperparameters, most of them published. KerasHub's
        `from_preset` also loads weights; here `from_pretrained` does that, with other names: the
        weights "digits" were trained with the preset "digits-small".

        Args:
            name: "cifar10", "celeba", "digits" or another preset.
            **changes: Arguments of `Config` to set differently.

        Returns:
            The untrained pipeline.

        Raises:
            ValueError: The preset or a field is unknown.

        Example:
            ```python
            vae = TwoStageVAE.untrained("cifar10", epochs=10, epochs2=20)
            ```
        """
        return cls(preset_config(name, **changes))

    @classmethod
    def for_images(cls, x: np.ndarray, **changes) -> "TwoStageVAE":
        """Make an untrained two-stage VAE for your own images, with sizes chosen for them.

        Args:
            x: The training images, integers in 0..255 or floats in [0, 1], [N, D, D, C],
                D even; only their shape is used.
            **changes: Fields of `Config` to set differently.

        Returns:
            The untrained pipeline.

        Raises:
            ValueError: `x` is not an array, its images are not square or have an odd side, or a
                field is unknown.

        Example:
            ```python
            vae = TwoStageVAE.for_images(x_train, epochs=50)
            ```
        """
        if not hasattr(x, "shape"):
            raise InputError(
                f"for_images takes an array of images, got a {type(x).__name__}; for a dataset, "
                "give the images' shape and number: "
                "TwoStageVAE(Config.for_images((64, 64, 3), 2000))."
            )
        return cls(Config.for_images(x.shape[1:], len(x), **changes))

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike, base_url: str | None = None) -> "TwoStageVAE":
        """Load trained weights by name or from a folder, and check their sha256.

        Args:
            name: "digits", "mnist" or "cifar10-small", which are installed with the package,
                or another name in `balancing-vae pretrained list`; `hf://owner/name` or
                `hf://owner/name@revision` on the Hugging Face Hub, with the extra `hub`; or
                the path of a weights folder.
            base_url: The server for weights that are not on this machine; by default the value
                of the environment variable `BALANCING_VAE_WEIGHTS_URL`.

        Returns:
            The trained pipeline.

        Raises:
            ValueError: The name is unknown, a file has another sha256, or the folder has a newer
                format.
            FileNotFoundError: The weights are not on this machine, and no server is configured;
                or they are not on the Hub, or you have no access to them.
            OSError: The download fails, or the cache is not writable.
            ImportError: The extra `hub` is not installed.

        Example:
            ```python
            vae = TwoStageVAE.from_pretrained("digits")
            ```
        """
        name = pin(name) if isinstance(name, str) else name
        vae = cls.load(find(name, base_url))
        vae.source = str(name)
        return vae

    def fit(
        self,
        x: np.ndarray | Iterable,
        validation_data: np.ndarray | Iterable | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: bool = True,
        run_dir: str | Path | None = None,
        seconds_between_states: float = 0.0,
        *,
        epochs: int | None = None,
        epochs2: int | None = None,
        validation_split: float = 0.0,
        optimizer: keras.optimizers.Optimizer | str | None = None,
        time_limit: float | None = None,
        steps_per_execution: int | None = None,
    ) -> History:
        """Train both stages, then fit the config's samplers and the normalisation.

        Samplers that were fitted before are discarded, because the latents change.

        If the weights are already trained, by `from_pretrained` or an earlier `fit`, gamma is
        measured and training continues for another `epochs`. With a `run_dir` that has states,
        `epochs` is the total and includes the completed ones. If stage 1 of such a run is
        trained further, stage 2 starts again.

        A dataset (`tf.data.Dataset`, `keras.utils.PyDataset`, PyTorch `DataLoader`) is read
        once before training, to check it, and once per epoch. It shuffles and augments its
        images itself. Its batches are divided into the config's `batch_size`, and labels are
        ignored. Stage 2 is trained on the latents of one more pass. A resumed training ends
        with the same weights as an uninterrupted one only with an array, because the order of
        its images comes from the config's seed, while a dataset chooses its own order.

        Args:
            x: Training images, integers in 0..255 or floats in [0, 1], [N, D, D, C], which may
                be memory-mapped; or a dataset of batches of such images.
            validation_data: Validation images, in the same form; a dataset is read into memory.
                By default the last `held_out` images of `x`, if the config sets it. They
                determine which weights are the best, and the normalisation is fitted on them;
                without them it is fitted on 10,000 drawn from the training images.
            callbacks: Keras callbacks, for both stages. Only `BackupAndRestore` is refused;
                `run_dir` does its work.
            verbose: Whether progress bars are shown.
            run_dir: Folder for a state after each epoch. If it already has states, training
                resumes from the last one. The folder is locked during training.
            seconds_between_states: Minimum time between two states, for epochs so short that
                writing takes longer; the last epoch of a stage is always written.
            epochs: Epochs of stage 1, in place of the config's.
            epochs2: Epochs of stage 2, in place of the config's.
            validation_split: Fraction of `x`, an array, to hold out at its end, in place of
                the config's `held_out`; in [0, 1). As in Keras, `x` must not be
                sorted by class.
            optimizer: A Keras optimizer or its name; each stage gets a copy. It replaces the
                config's `optimizer`, and its learning rate replaces `lr` and `lr2`.
            time_limit: Seconds after which the training of the stages ends, positive. It ends
                after the last execution that fits, and its state is written to `run_dir`. The
                same call resumes there. `finished` says whether training was completed.
            steps_per_execution: Number of steps to run without returning to Python, as in
                `keras.Model.compile`. By default a long training measures which number is the
                fastest.

        Returns:
            The history, with a row for each epoch. Its `history` has the columns,
            `to_dataframe()` returns a table, and `plot()` draws the curves.

        Raises:
            ValueError: The images do not match the model, or are fewer than a batch or than a
                sampler needs; a dataset can be iterated only once; the config needs validation
                images and there are none; `run_dir` was already trained for more epochs; the
                optimizer was built for another model; or a callback is `BackupAndRestore`.
            FloatingPointError: The loss became NaN or infinite; the weights are those after
                the previous epoch.
            OSError: Another process is training in `run_dir`.

        Warns:
            UserWarning: The time limit ended the training; or the images held out of `x`
                differ from the others, as in data sorted by class.

        Example:
            ```python
            vae.fit(x_train, validation_data=x_val, run_dir="runs/a")
            photos = keras.utils.image_dataset_from_directory("photos", labels=None)
            vae.fit(photos.map(augment), epochs=50)
            ```
        """
        check_callbacks(callbacks)
        deadline = deadline_of(time_limit)
        if steps_per_execution is not None:
            check_compile_arguments(steps_per_execution=steps_per_execution)
        changes: dict[str, Any] = {
            "epochs": epochs,
            "epochs2": epochs2,
            "held_out": held_out_count(x, validation_split, validation_data),
        }
        if optimizer is not None:
            changes["optimizer"], lr = describe_optimizer(optimizer)
            changes |= {"lr": lr, "lr2": lr}
        config = self.config.replace(**{k: v for k, v in changes.items() if v is not None})
        run_dir = None if run_dir is None else Path(run_dir)
        if run_dir is not None:
            check_epochs(run_dir, config)
        source, held_out = training_images(config, self.stage1, x, validation_data)
        self.config = config
        if optimizer is not None:
            change_optimizer(self.stages, config)
        if steps_per_execution is not None:
            for stage in self.stages.values():
                stage.settle_steps(steps_per_execution)
        train = partial(
            fit_stage,
            config=config,
            history=self.history,
            callbacks=callbacks,
            verbose=verbose,
            run_dir=run_dir,
            seconds_between_states=seconds_between_states,
            deadline=deadline,
        )
        own_dir = run_dir if is_first_process() else None
        self.finished = False
        with ExitStack() as stack:
            stack.enter_context(unfinished_is_told(run_dir))
            if own_dir is not None:
                stack.enter_context(locked_run(own_dir))
            if run_dir is not None:
                begin_second_stage_again(self, run_dir)
            train(self.stage1, number=1, data=source, held_out=held_out)
            mu, sigma = self.encode(source)
            if self.stage2 is not None:
                posterior = None if held_out is None else self.encode(held_out)
                train(self.stage2, number=2, data=(mu, sigma), held_out=posterior)
                self.stage2.last_trained = now()
            self.finished = True
        if not self.finished:
            return self.history
        for name in self.fitted_samplers:
            del self.samplers[name]
        for name in samplers_to_fit(config):
            kept = {} if own_dir is None else resumable_fit(own_dir, name)
            self._fit_sampler(name, mu, sigma, config.seed, **kept)
        self.fit_normalization(images_to_fit(source, held_out))
        return self.history

    def check_training_data(
        self, x: np.ndarray | Iterable, validation_data: np.ndarray | Iterable | None = None
    ) -> None:
        """Raise if `fit` would refuse these images.

        Args:
            x: Training images, an array or a dataset.
            validation_data: Validation images.

        Raises:
            ValueError: The images do not match the model, are fewer than a batch or than a
                sampler needs, or the batch size is not divisible by the number of devices; or
                the config needs validation images and there are none.
        """
        training_images(self.config, self.stage1, x, validation_data)

    def encode(self, x: np.ndarray | Iterable) -> tuple[np.ndarray, np.ndarray]:
        """Return the posterior of images.

        Args:
            x: Images, integers in 0..255 or floats in [0, 1], [N, D, D, C]; or a
                dataset of batches of such images, which is read once.

        Returns:
            `mu` and `sigma`, float32 [N, L] each; a deterministic model returns the latents and
            0.

        Raises:
            ValueError: The images do not fit the model, or the encoder returns NaN or infinite
                values.

        Example:
            ```python
            mu, sigma = vae.encode(x_test)
            ```
        """
        source = as_source(x, self.config.image_shape)
        mu, sigma = encode(self.stage1, source, self.config.batch_size)
        check_finite(mu, "The encoder's means")
        check_finite(sigma, "The encoder's standard deviations")
        return mu, sigma

    def reconstruct(
        self,
        x: np.ndarray | Iterable,
        normalize: bool = False,
        seed: int = 0,
        noise: np.ndarray | None = None,
        keep_padding: bool = False,
    ) -> np.ndarray:
        """Encode images, sample their posterior and decode.

        Args:
            x: Images as in `encode`.
            normalize: Whether the image normalisation is applied.
            seed: Seed of the posterior's noise.
            noise: Standard normal noise, float [N, L], in place of a seed.
            keep_padding: Whether the frame that `datasets.pad` added is kept, for comparison
                with padded images.

        Returns:
            Images, float32 [N, D, D, C] in [0, 1], without the config's `padding`.

        Raises:
            ValueError: The images do not match the model, or `normalize` is true but the
                normalisation is not fitted.

        Example:
            ```python
            x_hat = vae.reconstruct(x_test)
            ```
        """
        of_images = self._normalizations()[1] if normalize else None
        mu, sigma = self.encode(x)
        images = self.decode(draw(mu, sigma, seed, noise), keep_padding=True)
        if of_images is not None:
            _warn_of_nothing_rescaled(of_images.left_alone())
            images = of_images.apply(images, generated=False)
        return images if keep_padding else self.without_padding(images)

    def decode(self, z: np.ndarray, keep_padding: bool = False) -> np.ndarray:
        """Decode latents into images.

        Args:
            z: Latents, float [N, L].
            keep_padding: As in `reconstruct`.

        Returns:
            Images, float32 [N, D, D, C] in [0, 1], without the config's `padding`.

        Raises:
            ValueError: The latents or the decoded images are NaN or infinite.

        Example:
            ```python
            images = vae.decode(np.zeros((1, vae.config.latent_dim)))
            ```
        """
        return self._decode(z.astype(np.float32), keep_padding)

    def _decode(self, z, keep_padding: bool) -> np.ndarray:
        """Decode float32 latents, an array or a tensor."""
        images = predict(self.stage1.decoder, self.config.batch_size, z)
        # Checked after decoding, so that the decoder does not wait until the latents are copied.
        check_finite(to_numpy(z), "The latents")
        check_finite(images, "The decoder's images")
        return images if keep_padding else self.without_padding(images)

    def without_padding(self, images: np.ndarray) -> np.ndarray:
        """Remove the frame that `datasets.pad` added to the images.

        Args:
            images: Padded images, [N, D, D, C], any dtype.

        Returns:
            The images without the config's `padding`.

        Example:
            ```python
            x, x_hat = vae.without_padding(x_test), vae.reconstruct(x_test)
            ```
        """
        return unpad(images, self.config.padding)

    def reconstruct_latents(
        self, mu: np.ndarray, seed: int = 0, noise: np.ndarray | None = None
    ) -> np.ndarray:
        """Pass latents through the second stage: encode, sample, decode.

        Args:
            mu: Latents, float [N, L].
            seed: Seed of the second stage's noise.
            noise: Standard normal noise, float [N, L], in place of a seed.

        Returns:
            Latents, float32 [N, L].

        Raises:
            ValueError: There is no second stage.

        Example:
            ```python
            z_hat = vae.reconstruct_latents(mu)
            ```
        """
        if self.stage2 is None:
            raise InputError(_no_second_stage(self.config))
        check_fresh(self, SECOND_STAGE)
        size = self.config.batch_size
        mu_u, log_sigma_u = predict(self.stage2.encoder, size, mu)
        u = draw(mu_u, np.exp(log_sigma_u), seed, noise)
        return predict(self.stage2.decoder, size, u)

    def sample_latents(
        self,
        n: int,
        stage: int = 2,
        normalize: bool = True,
        seed: int | None = None,
        noise: np.ndarray | None = None,
        latent_noise: np.ndarray | None = None,
        sampler: str | None = None,
    ) -> np.ndarray:
        """Draw latents from a sampler and normalise them.

        Sampling runs in whole batches, and surplus latents are dropped at the end, as in the
        original program. With `second_stage_noise` in the config, stage 2 returns
        `z = z_hat + gamma_z * noise` before any normalisation, as in the program of Dai and
        Wipf, which does not normalise.

        Args:
            n: Number of latents, at least 1.
            stage: 1 or 2, for the first or the second of the config's `samplers`: by default the
                prior, and the second stage, which decodes draws from its own prior to latents.
            normalize: Whether the fitted normalisation is applied, according to its mode.
            seed: Seed of the noise. The same seed gives the same draws on any backend, with and
                without normalisation. None draws a new seed, as Keras does (so
                `keras.utils.set_random_seed` determines it); `last_seed` has its value.
            noise: Standard normal noise, float [M, L] with M a multiple of the batch size and
                at least `n`, in place of a seed.
            latent_noise: The noise that `second_stage_noise` adds, standard normal, with the
                shape of `noise`, in place of a seed.
            sampler: "prior", "second_stage" or a fitted sampler's name, in place of `stage`.

        Returns:
            Latents, float32 [n, L]; with the same arguments `generate` decodes these latents.

        Raises:
            ValueError: `n` or `stage` is out of range, a required stage was never trained, the
                sampler or the normalisation is not fitted, or `latent_noise` is given but not
                used.

        Warns:
            NothingRescaledWarning: `normalize` changes nothing, because mode "gated" has its
                gate closed, or mode "latents" does not change the prior.

        Example:
            ```python
            z = vae.sample_latents(100, seed=0)
            images = vae.decode(z)
            z = vae.sample_latents(100, sampler="mixture", normalize=False)
            ```
        """
        return to_numpy(self._latents(n, stage, normalize, seed, noise, latent_noise, sampler))

    def _latents(self, n, stage, normalize, seed, noise, latent_noise, sampler):
        """Draw latents as `sample_latents` does, but leave them on the device."""
        if n < 1:
            raise InputError(f"n must be at least 1, got {n}.")
        if stage not in (1, 2):
            raise InputError(f"stage must be 1 or 2, got {stage}.")
        if noise is not None and len(noise) < n:
            raise InputError(
                f"noise has {len(noise)} rows, but {n} are needed; give more, or a seed."
            )
        name = sampler or self.config.samplers[stage - 1]
        self.check_sampler(name)
        density, draws = self.samplers[name], {}
        if latent_noise is not None:
            check_adds_noise(density)
            draws["latent_noise"] = latent_noise
        self._check_trained(density)
        of_latents = self.fitted_normalizations()[0] if normalize else None
        if of_latents is not None:
            _warn_of_nothing_rescaled(of_latents.left_alone(name))
        self.last_seed = seed = random.randrange(LARGEST_SEED) if seed is None else seed
        size = self.config.batch_size
        count = -(-n // size) * size if noise is None else len(noise)
        z = density.sample_on_device(count, seed, noise, **draws)
        if of_latents is not None:
            z = of_latents.apply(z, name, size)
        return z[:n]

    def generate(
        self,
        n: int,
        stage: int = 2,
        normalize: bool = True,
        seed: int | None = None,
        noise: np.ndarray | None = None,
        latent_noise: np.ndarray | None = None,
        sampler: str | None = None,
        keep_padding: bool = False,
    ) -> np.ndarray:
        """Generate images: sample latents, decode them, and normalise.

        Args:
            n: Number of images, at least 1.
            stage: As in `sample_latents`.
            normalize: Whether the fitted normalisations of latents and of images are applied,
                according to their mode.
            seed: Seed of the noise, as in `sample_latents`.
            noise: Standard normal noise in place of a seed, as in `sample_latents`.
            latent_noise: The noise that `second_stage_noise` adds, in place of a seed.
            sampler: A sampler's name, in place of `stage`.
            keep_padding: As in `reconstruct`.

        Returns:
            Images, float32 [n, D, D, C] in [0, 1], without the config's `padding`.

        Raises:
            ValueError: As in `sample_latents`.

        Warns:
            NothingRescaledWarning: `normalize` changes nothing, because mode "gated" has its
                gate closed, or mode "latents" does not change the prior.

        Example:
            ```python
            samples = vae.generate(100)  # new images at each call
            samples = vae.generate(100, stage=2, seed=0)
            samples = vae.generate(100, sampler="mixture", seed=0)
            ```
        """
        z = self._latents(n, stage, normalize, seed, noise, latent_noise, sampler)
        images = self._decode(z, keep_padding=True)
        if normalize:
            images = self.fitted_normalizations()[1].apply(images, generated=True)
        return images if keep_padding else self.without_padding(images)

    def fit_sampler(self, name: str, x: np.ndarray | Iterable, seed: int = 0, **options) -> None:
        """Fit a sampler to the latents of images, for `generate(sampler=name)`.

        It is fitted to one draw from each image's posterior, `mu + sigma * noise`, because the
        decoder was trained on such draws; a flow gets new draws in each step. For a
        deterministic encoder, whose sigma is 0, the draws are `mu`, as in Ghosh et al. 2020.

        Args:
            name: "gaussian", "mixture" or "flow"; see `balancing_vae.samplers`.
            x: Training images as in `encode`.
            seed: Seed of the posterior's noise and of the randomness in the fit.
            **options: Options of the sampler's `fit`, such as `components=5`.

        Raises:
            ValueError: The images do not match the model or are too few, or the sampler or an
                option is unknown.

        Example:
            ```python
            vae.fit_sampler("mixture", x_train)
            samples = vae.generate(100, sampler="mixture")
            ```
        """
        check_options(name, **options)
        source = as_source(x, self.config.image_shape)
        if not isinstance(source, ImageBatches):
            check_count(len(source), self.config.latent_dim)
        self._fit_sampler(name, *self.encode(source), seed, **options)

    def check_sampler(self, name: str) -> None:
        """Raise if `generate` would refuse a sampler.

        Args:
            name: "prior", "second_stage" or a fitted sampler's name.

        Raises:
            ValueError: There is no second stage, the sampler is not fitted, or stage 1 was
                trained after it.
        """
        if name in self.samplers:
            check_fresh(self, name)
        elif name in OF_THE_MODEL:
            raise InputError(_no_second_stage(self.config))
        else:
            raise InputError(
                f"There is no fitted sampler {name!r}, only {', '.join(self.samplers)}",
                f"call fit_sampler({name!r}, x) with training images",
                f"fit it with `balancing-vae fit-sampler RUN {name}`",
            )

    def fitted_normalizations(self) -> tuple[LatentNormalization, ImageNormalization]:
        """Return the normalisations of latents and of images.

        Raises:
            ValueError: `fit_normalization` has not been called, or a stage was trained after it.
        """
        fitted = self._normalizations()
        check_fresh(self, NORMALIZATION)
        return fitted

    def _normalizations(self) -> tuple[LatentNormalization, ImageNormalization]:
        if self.latent_normalization is None or self.image_normalization is None:
            raise InputError(
                "The normalisation is not fitted yet",
                "call fit_normalization(x) with real images, or pass normalize=False",
                "omit it (`generate --plain`, `reconstruct` without --normalize), or import "
                "the checkpoint again with --data",
            )
        return self.latent_normalization, self.image_normalization

    def fit_normalization(
        self, x: np.ndarray | Iterable, mode: str = DEFAULT_MODE, seed: int = 0
    ) -> None:
        """Fit the normalisation of latents and of images on real images.

        Args:
            x: Images as in `encode`; a dataset is read into memory.
            mode: "gated", "latents" or "latents_and_images". It determines what is rescaled and
                when; see `LatentNormalization` and `ImageNormalization`.
            seed: Seed of the second stage's noise.

        Raises:
            ValueError: The images do not match the model, or the mode is unknown.

        Warns:
            NothingRescaledWarning: The mode is "gated", and the second stage lost too little
                variance for its gate, so generated images are not rescaled.

        Example:
            ```python
            vae.fit_normalization(x_val, mode="latents")
            ```
        """
        (fitted,) = self.measure_normalizations(x, [mode], seed).values()
        self.latent_normalization, self.image_normalization = fitted
        self.fitted_at[NORMALIZATION] = now()
        _warn_of_nothing_rescaled(self.latent_normalization.left_alone(SECOND_STAGE))

    def measure_normalizations(
        self, x: np.ndarray | Iterable, modes: Sequence[str] | None = None, seed: int = 0
    ) -> dict[str, tuple[LatentNormalization, ImageNormalization]]:
        """Fit normalisations of several modes to compare them; the pipeline's own is kept.

        Args:
            x: As in `fit_normalization`.
            modes: Names of modes; None uses all modes of the model. (A deterministic encoder
                has no mode "latents".)
            seed: Seed of the second stage's noise.

        Returns:
            The normalisations of latents and of images by mode.

        Raises:
            ValueError: As in `fit_normalization`.

        Example:
            ```python
            fitted = vae.measure_normalizations(x_val)
            columns = evaluation.two_stage_columns(vae, x_test, normalizations=fitted)
            ```
        """
        x = self._array(x)
        mu, sigma = self.encode(x)
        if modes is None:
            modes = [name for name, mode in MODES.items() if mode.second_term or np.any(sigma)]
        z_hat = None if self.stage2 is None else self.reconstruct_latents(mu, seed)
        images = as_float(x)
        fitted = {}
        for mode in modes:
            of_latents = LatentNormalization.fit(mu, sigma, z_hat, mode)
            fitted[of_latents.mode] = of_latents, ImageNormalization.fit(images, mode)
        return fitted

    def evaluate(self, x: np.ndarray | Iterable, seed: int = 0) -> Evaluation:
        """Measure the moments of reconstructions and samples, plain and normalised.

        Args:
            x: Real images as in `encode`; a dataset is read into memory.
            seed: Seed of the noise.

        Returns:
            The evaluation, which prints as a table.

        Raises:
            ValueError: The images do not match the model, or the normalisation is not fitted.

        Warns:
            NothingRescaledWarning: The original program's gate is closed, so the rows
                "normalised" of generated images equal the plain ones.

        Example:
            ```python
            print(vae.evaluate(x_test))
            ```
        """
        of_latents, _ = self.fitted_normalizations()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NothingRescaledWarning)
            evaluation = evaluate_moments(self, self._array(x), seed)
        _warn_of_nothing_rescaled(of_latents.left_alone(SECOND_STAGE))
        return evaluation

    def measure_gamma(self, x: np.ndarray | Iterable, seed: int = 0) -> tuple[float, ...]:
        """Set both stages' gamma from reconstructions, as before a resumed training.

        Gamma of stage 1 is set from the mean squared error of the reconstructions of 10,000
        images drawn from everywhere in `x`, and gamma of stage 2 from that of their latents.
        Source: the original program, which does not store gamma and takes the first 10,000.

        Args:
            x: Training images as in `encode`.
            seed: Seed of the noise.

        Returns:
            The gammas of stage 1 and of stage 2, if there is one.

        Raises:
            ValueError: The balancing is not computed gamma, or the images do not match the model.

        Example:
            ```python
            vae.measure_gamma(x_train)
            ```
        """
        if not isinstance(getattr(self.stage1, "balancing", None), ComputedGamma):
            raise InputError("Only a computed gamma can be measured; this one is not computed.")
        x = drawn_images(as_source(x, self.config.image_shape), MEASURED_IMAGES)
        size = self.config.batch_size
        gammas = [measure_gamma(self.stage1, x, size, seed)]
        if self.stage2 is not None:
            gammas.append(measure_gamma(self.stage2, self.encode(x)[0], size, seed))
        return tuple(gammas)

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write the pipeline to a folder: config, weights, samplers, normalisation, history.

        Args:
            folder: The folder to write, created if it is missing. Links are followed.
            overwrite: Whether an existing saved pipeline or run is replaced. A folder that holds
                any other file is never replaced.

        Raises:
            FileExistsError: The folder is not empty, and `overwrite` is false or it holds other
                files.
            ValueError: The name has the ending of a file, or cannot be that of a folder.
            OSError: The disk is full, or a training is running there; an old folder is left
                unchanged.

        Example:
            ```python
            vae.save("runs/a")
            ```
        """
        with atomic_folder(folder, SAVED, overwrite) as temporary:
            self.write_into(temporary)

    def write_into(
        self, folder: str | Path, commands: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Write the saved folder's files, each atomically, into an existing folder.

        Args:
            folder: A folder, which must exist.
            commands: The original command lines that made the pipeline, by part: "training" or
                a sampler's name. A model card prints them.

        Raises:
            OSError: The disk is full; old files are left unchanged.

        Example:
            ```python
            vae.write_into("runs/a", {"training": ["python my_training.py --epochs 10"]})
            ```
        """
        write_pipeline(self, Path(folder), commands)

    def push_to_hub(
        self,
        name: str,
        measurements: Sequence[Measurement] = (),
        *,
        license: str | None = None,
        private: bool = False,
    ) -> str:
        """Upload the pipeline to the Hugging Face Hub, with a card and checksums.

        This uploads the files that `save` writes, and a `README.md` with metadata for the Hub.
        It needs the extra `hub` and a token with write access (`hf auth login`, or `HF_TOKEN`).
        For a set with sample images and all metrics, use the commands `balancing-vae pretrained
        pack`, `evaluate` and `pretrained push`.

        Args:
            name: `owner/name`; the repository is created if needed.
            measurements: Measurements of this pipeline, for the card.
            license: The Hub's identifier of the weights' licence, such as "apache-2.0"; None
                omits it from the card.
            private: Whether a new repository is private.

        Returns:
            `hf://owner/name@commit`, which `from_pretrained` takes.

        Raises:
            ValueError: The name does not have this form.
            FileExistsError: The repository holds files that do not belong to a set of weights.
            OSError: You have no write access, or the Hub does not answer.
            ImportError: The extra `hub` is not installed.

        Example:
            ```python
            vae.push_to_hub("owner/digits", vae.evaluate(x_test).measurements)
            ```
        """
        return push_pipeline(self, name, measurements, license, private)

    @classmethod
    def load(cls, folder: str | Path, unfinished: bool = False) -> "TwoStageVAE":
        """Load a saved folder, written by any backend.

        Args:
            folder: A folder that `save` or `balancing-vae train` wrote.
            unfinished: Whether a run that is not finished, or is being trained further, may be
                loaded with the weights after its last completed epoch. Samplers and
                normalisation are not fitted then.

        Returns:
            The pipeline with its saved weights, gamma, normalisation and history.

        Raises:
            FileNotFoundError: The folder or one of its files is missing.
            ValueError: A file is damaged, has a newer format, or does not match the others; or
                the training is not finished.

        Example:
            ```python
            vae = TwoStageVAE.load("runs/a")
            TwoStageVAE.load("runs/b", unfinished=True).generate(16, stage=1, normalize=False)
            ```
        """
        folder = Path(folder)
        description = (read_description if unfinished else read_finished)(folder)
        vae = cls(Config.from_dict(description["config"]))
        if unfinished and is_behind(description, folder):
            read_states_into(vae, folder)
        else:
            read_into(vae, folder, description)
        return vae

    def __repr__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        return html_summary(self)

    def _array(self, x, limit: int | None = None) -> np.ndarray:
        return first_images(as_source(x, self.config.image_shape), limit)

    def _fit_sampler(self, name, mu, sigma, seed, **options):
        self.samplers[name] = fit_sampler(name, mu, seed, sigma, **options)
        self.fitted_at[name] = now()

    def _check_trained(self, sampler):
        stages = self.stages if isinstance(sampler, SecondStage) else {"stage1": self.stage1}
        for name, stage in stages.items():
            if not stage.is_trained:
                if name == "stage2" and PRIOR in self.config.samplers:
                    python, cli = (
                        "call fit(x), or pass stage=1",
                        "finish its training, or give --stage 1",
                    )
                else:
                    python, cli = (
                        "call fit(x), or load a trained pipeline",
                        "name a run that `balancing-vae train` finished",
                    )
                raise InputError(
                    f"Stage {name[-1]} was never trained, and would give noise", python, cli
                )


def _no_second_stage(config: Config) -> str:
    return (
        f"There is no second stage: the config's samplers are {config.samplers}; use another "
        'sampler, or train a model with "second_stage" among its samplers.'
    )


def _warn_of_nothing_rescaled(reason: str | None) -> None:
    if reason is not None:
        warnings.warn(reason, NothingRescaledWarning, find_stack_level())


def _pair(encoder, decoder) -> tuple[keras.Model, keras.Model] | None:
    if (encoder is None) != (decoder is None):
        raise InputError("Give both an encoder and a decoder of your own, or neither.")
    return None if encoder is None else (encoder, decoder)
