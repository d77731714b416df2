"""Figures with their uncertainty: intervals, paired comparisons, tests and sample sizes, as functions of plain numbers.

Every function is deterministic; the ones that resample take a ``seed``. Proportions are 0..1, never percent. Where nothing can
be said (no rows, a value that is not a number, no spread) an estimate is None and a test has no p-value but a ``reason``.
"""

from evaluation.statistics.agreement import (
    cohen_kappa,
    cohen_kappa_estimate,
    fleiss_kappa,
    krippendorff_alpha,
    krippendorff_estimate,
    weighted_kappa,
    weighted_kappa_estimate,
)
from evaluation.statistics.calibration import (
    CalibrationBin,
    brier,
    brier_estimate,
    calibration,
    calibration_error_estimate,
    expected_calibration_error,
)
from evaluation.statistics.distributions import normal_quantile, student_quantile, student_tail, upper_tail
from evaluation.statistics.estimates import (
    CONFIDENCE,
    Estimate,
    all_finite,
    bootstrap,
    cluster_effect,
    clustered_bootstrap,
    clustered_wilson,
    design_effect,
    percentile,
    wilson,
    z_value,
)
from evaluation.statistics.labels import (
    LabelScore,
    label_scores,
    macro_f1,
    macro_f1_estimate,
    weighted_f1,
    weighted_f1_estimate,
)
from evaluation.statistics.noninferiority import (
    NonInferiority,
    noninferiority_of_means,
    noninferiority_of_pairs,
    rows_needed,
    verdict_of_margin,
)
from evaluation.statistics.paired import (
    PairedCounts,
    mcnemar_exact,
    pair,
    paired_difference,
    paired_ratio,
    ratio_of_means,
    ratio_score,
    tango_score,
)
from evaluation.statistics.paired_tests import PairedTest, holm, permutation, wilcoxon
from evaluation.statistics.power import (
    DISCORDANCE,
    POWER,
    PowerLine,
    detectable_difference,
    power_for_difference,
    power_table,
    rows_for_difference,
    rows_for_margin,
)
from evaluation.statistics.ranks import RankTest, kendall_tau, kendall_tau_b, mean_ranks
from evaluation.statistics.ratios import ratio_of_sums
from evaluation.statistics.resampling import draw_sums

__all__ = [
    "CONFIDENCE",
    "DISCORDANCE",
    "POWER",
    "CalibrationBin",
    "Estimate",
    "LabelScore",
    "NonInferiority",
    "PairedCounts",
    "PairedTest",
    "PowerLine",
    "RankTest",
    "all_finite",
    "bootstrap",
    "brier",
    "brier_estimate",
    "calibration",
    "calibration_error_estimate",
    "cluster_effect",
    "clustered_bootstrap",
    "clustered_wilson",
    "cohen_kappa",
    "cohen_kappa_estimate",
    "design_effect",
    "detectable_difference",
    "draw_sums",
    "expected_calibration_error",
    "fleiss_kappa",
    "holm",
    "kendall_tau",
    "kendall_tau_b",
    "krippendorff_alpha",
    "krippendorff_estimate",
    "label_scores",
    "macro_f1",
    "macro_f1_estimate",
    "mcnemar_exact",
    "mean_ranks",
    "noninferiority_of_means",
    "noninferiority_of_pairs",
    "normal_quantile",
    "pair",
    "paired_difference",
    "paired_ratio",
    "percentile",
    "permutation",
    "power_for_difference",
    "power_table",
    "ratio_of_means",
    "ratio_of_sums",
    "ratio_score",
    "rows_for_difference",
    "rows_for_margin",
    "rows_needed",
    "student_quantile",
    "student_tail",
    "tango_score",
    "upper_tail",
    "verdict_of_margin",
    "weighted_f1",
    "weighted_f1_estimate",
    "weighted_kappa",
    "weighted_kappa_estimate",
    "wilcoxon",
    "wilson",
    "z_value",
]
