"""Which proxy to trust: cheaper evaluations, measured against full training with the statistics that this takes.

design       the rounds, the looks that are paid for, the choice
agreement    Kendall's tau with an interval that is valid for few architectures
noise        seed noise against the spread between architectures
references   which architectures are trained fully
proxies      a proxy as plain data, the usual candidates, the file a design writes
picture      the design as a scatter plot
"""

from evaluators.proxy_design.agreement import Agreement, agreement
from evaluators.proxy_design.design import Design, Finding, Rules, design
from evaluators.proxy_design.noise import Noise, seed_noise
from evaluators.proxy_design.proxies import Proxy, read_proxy, usual_candidates
from evaluators.proxy_design.references import choose_references

__all__ = [
    "Agreement",
    "Design",
    "Finding",
    "Noise",
    "Proxy",
    "Rules",
    "agreement",
    "choose_references",
    "design",
    "read_proxy",
    "seed_noise",
    "usual_candidates",
]
