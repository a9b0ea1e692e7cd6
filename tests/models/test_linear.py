import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from stackstudy.models.linear import NEVER, fit_logistic

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(80, 6)).astype(np.float32)
LABELS = FEATURES @ RANDOM.normal(size=(6, 3)) + RANDOM.normal(size=(80, 3)) > 0


def test_each_label_has_its_own_regression():
    fit = fit_logistic(FEATURES, LABELS, 2.0, "toy")
    for label in range(3):
        alone = LogisticRegression(C=2.0).fit(FEATURES, LABELS[:, label])
        np.testing.assert_allclose(fit(FEATURES)[:, label], alone.predict_proba(FEATURES)[:, 1], atol=1e-4)


def test_sparse_features_give_nearly_the_same():
    dense, sparse = (fit_logistic(x, LABELS, 1.0, "toy") for x in (FEATURES, csr_matrix(FEATURES)))
    np.testing.assert_allclose(dense(FEATURES), sparse(FEATURES), atol=0.05)  # liblinear shrinks the intercept too


def test_labels_of_no_row_and_of_every_row_are_constant():
    labels = LABELS.copy()
    labels[:, 1], labels[:, 2] = False, True
    values = fit_logistic(FEATURES, labels, 1.0, "toy")(FEATURES)
    np.testing.assert_allclose(values[:, 1], NEVER, rtol=1e-4)
    np.testing.assert_allclose(values[:, 2], expit(logit(1 - NEVER)), rtol=1e-6)
    assert values[:, 0].std() > 0.1
