"""The finished runs of a small profile that saved systems, for tests of what is done with them."""

from pathlib import Path

from stackstudy.embeddings.embed import embed_questions
from stackstudy.embeddings.encoder import load_encoder
from stackstudy.embeddings.store import load_stream, stream_metadata
from stackstudy.params import Embeddings, ScoresNeural, ScoresTraditional, TagsBaselines, TagsNeural
from stackstudy.questions.ingest import ingest
from stackstudy.questions.schema import read_questions
from stackstudy.runs.folder import mark_done, save_parameters
from stackstudy.systems.baselines import linear_probe, tfidf_logistic
from stackstudy.systems.data import Data, TagData
from stackstudy.systems.linear_scores import bow_ridge, mean_log
from stackstudy.systems.neural import neural
from stackstudy.systems.neural_scores import neural_scores
from stackstudy.tagspace.space import build_tagspace

STREAMS = ("title", "body", "body_chunks", "body_chunks_offsets")
BASELINES = {"neighbours": (3,), "inverse_penalties": (10.0,), "max_features": 500, "seeds": (0,)}
NETWORK = {"hidden": (16,), "dropout": 0.1, "learning_rate": 0.01, "weight_decay": 0.01, "schedule": "constant"}
NETWORK |= {"batch_size": 16, "max_epochs": 3, "patience": 3, "seeds": (0, 4), "device": "cpu", "devices": 1}
TAGS = NETWORK | {"system": "dsf-crossattn", "loss": "bce", "gamma_negative": 2.0, "gamma_positive": 1.0}
TAGS |= {"late_dropout": 0.1, "gradient_clip": None, "mixup": "none", "mixup_alpha": 0.2, "mixup_epochs": 0}
CORRECTED = TAGS | {"name": "net", "protocol": "corrected", "keys": "body_chunks", "label_count": False}
LEAK = TAGS | {"name": "leak", "protocol": "published", "keys": "body", "label_count": True}
SCORES = NETWORK | {"name": "net", "system": "dsf-mhsa", "target": "signed-log", "keys": "body", "strata": None}
WORDS = {"max_features": 500, "components": 5, "alphas": (100.0,), "seeds": (0,), "rounds": 5, "patience": 2}
WORDS |= {"max_depth": 2, "learning_rate": 0.1, "min_child_weight": 1, "subsample": 1, "colsample_bytree": 1}
WORDS |= {"strata": None}


def about(experiment: str) -> dict[str, str]:
    return {"profile": "smoke", "experiment": experiment}  # a profile that has 01-, 02- and 03-


def make_runs(root: Path) -> Path:
    """Fill and return the folder of a profile's runs: questions, embeddings, tag space, and five that saved systems."""
    sizes = {
        "max_length": 48,
        "sequence_tokens": 4,
        "chunk_length": 24,
        "max_chunks": 3,
        "tokens_per_batch": 2048,
        "workers": 1,
    }
    made = Embeddings(**about("02-embeddings"), encoder="minilm", device="cpu", **sizes)
    ingest(["planted"], root / "01-questions" / "questions.parquet", rows=160, workers=1)
    questions = read_questions(root / "01-questions" / "questions.parquet")
    store = root / "02-embeddings"
    embed_questions(questions, store, encoder=load_encoder("minilm", "cpu"), **sizes)
    save_parameters(made, store)
    vectors, names = load_stream(store, "tag"), stream_metadata(store, "tag")["tags"]
    clusters = {"centroids": 6, "minimum_count": 2, "orphan_cosine": 0.3, "branching": 100, "restarts": 2, "seed": 0}
    space = build_tagspace(questions, names, vectors, **clusters)
    space.save(root / "03-tag-centroids" / "tagspace")
    streams = {name: load_stream(store, name) for name in STREAMS}
    encoder = stream_metadata(store, "body")["model"]
    tagged, asked = TagData(questions, streams, encoder, space=space), Data(questions, streams, encoder)
    fits = {
        "11-tags-baselines": (TagsBaselines, BASELINES, tagged, (linear_probe, tfidf_logistic)),
        "13-tags-neural": (TagsNeural, CORRECTED, tagged, (neural,)),
        "13-published": (TagsNeural, LEAK, tagged, (neural,)),
        "21-scores-traditional": (ScoresTraditional, WORDS, asked, (bow_ridge, mean_log)),
        "22-scores-neural": (ScoresNeural, SCORES, asked, (neural_scores,)),
    }
    for name, (parameters, fields, data, systems) in fits.items():
        chosen = parameters(**about(name), **fields)
        save_parameters(chosen, root / name)
        for system in systems:
            predictions = system(data, chosen, root / name).predictions
            predictions.save(root / name / "predictions" / f"{predictions.system}.npz")
    for folder in root.iterdir():
        mark_done(folder, "key")
    return root
