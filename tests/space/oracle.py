"""A second ranking, in plain Python loops over floats, that shares no code with `deciface.space`."""

import math

import numpy as np


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return dot / norms if norms > 1e-7 else 0.0


def unit(a):
    norm = math.sqrt(sum(x * x for x in a))
    return [x / norm for x in a] if norm > 1e-6 else [0.0] * len(a)


def mean_direction(vectors):
    return unit([sum(column) for column in zip(*vectors, strict=True)])


def distance(queries, face, views):
    """`queries`: list of {view: vector}; `face`: {view: vector}."""
    return sum(1 - cosine(q[v], face[v]) for q in queries for v in views) / (len(queries) * len(views))


def shared_views(queries, faces):
    views = None
    for thing in [*queries, *faces]:
        views = set(thing) if views is None else views & set(thing)
    return sorted(views)


def compared(photos, own_patient, own_pixels):
    return [p for p in photos if p["patient"] != own_patient and p["pixels"] not in own_pixels]


def labels_of(photo, kind):
    if kind == "disorder":
        return {d["id"] for d in photo["diagnoses"]}
    out = set()
    for d in photo["diagnoses"]:
        if d["genes"]:
            out |= {("gene", g) for g in d["genes"]}
        else:
            out.add(("disorder", d["id"]))
    return out


def rank_all(photos, queries, rule, own_patient, own_pixels):
    """{'photos': {id: d}, 'patients': ..., 'disorders': ..., 'genes': ...} of everybody who is compared."""
    views = shared_views(queries, [p["vectors"] for p in photos])
    left = compared(photos, own_patient, own_pixels)
    out = {"photos": {p["id"]: distance(queries, p["vectors"], views) for p in left}, "patients": {}}
    patients = {}
    for p in left:
        patients.setdefault(p["patient"], []).append(p)
    means = {
        patient: {v: mean_direction([unit(p["vectors"][v]) for p in theirs]) for v in views}
        for patient, theirs in patients.items()
    }
    for patient, theirs in patients.items():
        if rule == "nearest-image":
            out["patients"][patient] = min(out["photos"][p["id"]] for p in theirs)
        else:
            out["patients"][patient] = distance(queries, means[patient], views)
    for kind in ("disorder", "gene"):
        groups = {}
        for p in left:
            for label in labels_of(p, kind):
                groups.setdefault(label, []).append(p)
        scores = {}
        for label, theirs in groups.items():
            who = sorted({p["patient"] for p in theirs})
            if rule == "nearest-image":
                scores[label] = min(out["photos"][p["id"]] for p in theirs)
            elif rule == "patient-mean":
                scores[label] = min(out["patients"][patient] for patient in who)
            else:
                centre = {v: mean_direction([means[patient][v] for patient in who]) for v in views}
                scores[label] = distance(queries, centre, views)
        out[kind + "s"] = scores
    return out


def stored(vector):
    """Rounded to 32 bits, as galleries keep vectors."""
    return [float(np.float32(x)) for x in vector]


def mean(vectors):
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def minus(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def shrunken_covariance(residuals):
    """Ledoit and Wolf 2004, entry by entry."""
    n, d = len(residuals), len(residuals[0])
    w = [[sum(r[i] * r[j] for r in residuals) / n for j in range(d)] for i in range(d)]
    m = sum(w[i][i] for i in range(d)) / d
    identity = [[float(i == j) for j in range(d)] for i in range(d)]
    spread = sum((w[i][j] - m * identity[i][j]) ** 2 for i in range(d) for j in range(d))
    noise = sum((r[i] * r[j] - w[i][j]) ** 2 for r in residuals for i in range(d) for j in range(d)) / n**2
    share = min(noise, spread) / spread if spread > 0 else 1.0
    return [[(1 - share) * w[i][j] + share * m * identity[i][j] for j in range(d)] for i in range(d)]


def discriminant(photos, queries, own_patient, own_pixels):
    """{'disorders': {id: d}, 'genes': ...}, or None when there are fewer than 20 residual degrees of freedom."""
    views = shared_views(queries, [p["vectors"] for p in photos])
    left = compared(photos, own_patient, own_pixels)
    people = sorted({p["patient"] for p in left})
    theirs = {patient: [p for p in left if p["patient"] == patient] for patient in people}
    groups, genes = {}, {}
    for patient in people:
        for photo in theirs[patient]:
            for label in labels_of(photo, "disorder"):
                groups.setdefault(("disorder", label), set()).add(patient)
            for label in labels_of(photo, "gene"):
                genes.setdefault(label, set()).add(patient)
        if not any(p["diagnoses"] for p in theirs[patient]) and any(p["unaffected"] for p in theirs[patient]):
            groups.setdefault(("unaffected", ""), set()).add(patient)
    if sum(map(len, groups.values())) - len(groups) < 20:
        return None
    out = {"disorders": {}, "genes": {}}
    for v in views:
        row = {who: stored(mean_direction([stored(unit(p["vectors"][v])) for p in theirs[who]])) for who in people}
        residuals = []
        for members in groups.values():
            middle = mean([row[who] for who in members])
            residuals += [minus(row[who], middle) for who in members]
        inverse = np.linalg.inv(shrunken_covariance(residuals))
        query = mean([stored(unit(q[v])) for q in queries])
        wanted = [("disorders", key[1], members) for key, members in groups.items() if key[0] == "disorder"]
        wanted += [("genes", key, members) for key, members in genes.items()]
        for kind, key, members in wanted:
            away = minus(query, mean([row[who] for who in members]))
            d = len(away)
            squared = sum(away[i] * inverse[i][j] * away[j] for i in range(d) for j in range(d))
            out[kind][key] = out[kind].get(key, 0.0) + squared / d / (1 + 1 / len(members)) / len(views)
    return out
