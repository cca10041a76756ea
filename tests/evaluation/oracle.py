"""A second evaluation, in plain Python loops, that shares no code with `deciface.evaluation` or `deciface.space`."""

import math


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return dot / norms if norms > 1e-7 else 0.0


def mean_direction(vectors):
    total = [sum(column) for column in zip(*vectors, strict=True)]
    norm = math.sqrt(sum(x * x for x in total))
    return [x / norm for x in total] if norm > 1e-6 else [0.0] * len(total)


def unit(a):
    norm = math.sqrt(sum(x * x for x in a))
    return [x / norm for x in a]


def distance(queries, face, views):
    return sum(1 - cosine(q[v], face[v]) for q in queries for v in views) / (len(queries) * len(views))


def disorder_distances(queries, gallery, rule, views):
    """`queries`: faces {view: vector}; `gallery`: photos with patient, labels, vectors."""
    people = {}
    for photo in gallery:
        people.setdefault(photo["patient"], []).append(photo)
    means = {
        who: {v: mean_direction([unit(p["vectors"][v]) for p in theirs]) for v in views}
        for who, theirs in people.items()
    }
    out = {}
    for label in sorted({label for photo in gallery for label in photo["labels"]}):
        theirs = [photo for photo in gallery if label in photo["labels"]]
        who = sorted({photo["patient"] for photo in theirs})
        if rule == "nearest-image":
            away = min(distance(queries, photo["vectors"], views) for photo in theirs)
        elif rule == "patient-mean":
            away = min(distance(queries, means[patient], views) for patient in who)
        elif rule == "nearest-patients":
            everybody = [round(distance(queries, mean, views), 6) for mean in means.values()]
            theirs = sorted(round(distance(queries, means[patient], views), 6) for patient in who)
            k = min(3, len(theirs))
            near = sum(x <= theirs[k - 1] for x in everybody)
            away = math.log10(at_least(k, near, len(theirs), len(everybody)))
        else:
            centre = {v: mean_direction([means[patient][v] for patient in who]) for v in views}
            away = distance(queries, centre, views)
        out[label] = round(away, 6)
    if rule == "hybrid":
        halves = [disorder_distances(queries, gallery, half, views) for half in ("nearest-image", "disorder-centroid")]
        middles = [sum(half.values()) / len(half) if half else 0.0 for half in halves]
        shares = [
            {k: x / m if m > 1e-6 else 1.0 for k, x in half.items()} for half, m in zip(halves, middles, strict=True)
        ]
        out = {label: round((shares[0][label] + shares[1][label]) / 2, 6) for label in out}
    return out


def at_least(k, near, drawn, total):
    """P(H >= k), H the near ones among `drawn` of `total`; exact counts."""
    ways = sum(math.comb(near, j) * math.comb(total - near, drawn - j) for j in range(k, drawn + 1))
    return ways / math.comb(total, drawn)


def rank_of(label, distances):
    if label not in distances:
        return math.inf
    return 1 + sum(other < distances[label] for other in distances.values())


def ranks(photos, test, gallery, *, rule, own_left_out):
    """Two dicts: {(photo id, label): rank} and {(patient, label): rank}."""
    views = sorted(set.intersection(*(set(p["vectors"]) for p in photos)))
    by_photo, by_patient = {}, {}
    for i in test:
        photo = photos[i]
        among = [photos[j] for j in gallery if not (own_left_out and photos[j]["patient"] == photo["patient"])]
        away = disorder_distances([photo["vectors"]], among, rule, views)
        for label in photo["labels"]:
            by_photo[photo["id"], label] = rank_of(label, away)
    for patient in sorted({photos[i]["patient"] for i in test}):
        theirs = [photos[i] for i in test if photos[i]["patient"] == patient]
        among = [photos[j] for j in gallery if not (own_left_out and photos[j]["patient"] == patient)]
        away = disorder_distances([p["vectors"] for p in theirs], among, rule, views)
        for label in {label for p in theirs for label in p["labels"]}:
            by_patient[patient, label] = rank_of(label, away)
    return by_photo, by_patient


def published(runs, k):
    """Macro by disorder, per image, averaged over the splits. `runs`: list of {(photo id, label): rank}."""
    shares = []
    for run in runs:
        by_label = {}
        for (_, label), rank in run.items():
            by_label.setdefault(label, []).append(1.0 if rank <= k else 0.0)
        shares.append(sum(sum(v) / len(v) for v in by_label.values()) / len(by_label))
    return sum(shares) / len(shares)


def honest(runs, value):
    """(micro, macro) per patient; `runs`: list of {(patient, label): rank}; `value` of a rank.

    A patient's value under a label is the mean over the runs in which they were tested; micro takes the best label.
    """
    best, by_label = {}, {}
    for run in runs:
        ranks = {}
        for (patient, label), rank in run.items():
            by_label.setdefault(label, {}).setdefault(patient, []).append(value(rank))
            ranks[patient] = min(rank, ranks.get(patient, math.inf))
        for patient, rank in ranks.items():
            best.setdefault(patient, []).append(value(rank))
    micro = sum(sum(v) / len(v) for v in best.values()) / len(best)
    means = [sum(sum(v) / len(v) for v in people.values()) / len(people) for people in by_label.values()]
    return micro, sum(means) / len(means)
