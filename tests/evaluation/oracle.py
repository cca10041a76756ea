"""A second evaluation, in plain Python loops, that shares no code with `deciface.evaluation` or `deciface.space`."""

import itertools
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


def standing(label, distances):
    """How many labels are strictly nearer, and how many others are as near."""
    if label not in distances:
        return math.inf, 0
    nearer = [other for other, away in distances.items() if away < distances[label]]
    tied = [other for other, away in distances.items() if away == distances[label] and other != label]
    return len(nearer), len(tied)


def ranks(photos, test, gallery, *, rule, own_left_out):
    """Two dicts, by (photo id, label) and by (patient, label): labels strictly nearer, and others as near."""
    views = sorted(set.intersection(*(set(p["vectors"]) for p in photos)))
    by_photo, by_patient = {}, {}
    for i in test:
        photo = photos[i]
        among = [photos[j] for j in gallery if not (own_left_out and photos[j]["patient"] == photo["patient"])]
        away = disorder_distances([photo["vectors"]], among, rule, views)
        for label in photo["labels"]:
            by_photo[photo["id"], label] = standing(label, away)
    for patient in sorted({photos[i]["patient"] for i in test}):
        theirs = [photos[i] for i in test if photos[i]["patient"] == patient]
        among = [photos[j] for j in gallery if not (own_left_out and photos[j]["patient"] == patient)]
        away = disorder_distances([p["vectors"] for p in theirs], among, rule, views)
        for label in {label for p in theirs for label in p["labels"]}:
            by_patient[patient, label] = standing(label, away)
    return by_photo, by_patient


def over_orders(own, value):
    """Mean of `value` of the first own place over every way to put the own labels among the tied ones.

    `own`: (nearer, tied others) of each own label of one query; those of the nearest count.
    """
    nearest = min(nearer for nearer, _ in own)
    if math.isinf(nearest):
        return 0.0
    first = [tied for nearer, tied in own if nearer == nearest]
    orders = list(itertools.combinations(range(first[0] + 1), len(first)))
    return sum(value(nearest + 1 + min(places)) for places in orders) / len(orders)


def published(runs, k):
    """Macro by disorder, per image, averaged over the splits. `runs`: list of {(photo id, label): (nearer, tied)}."""
    shares = []
    for run in runs:
        by_label = {}
        for (_, label), own in run.items():
            by_label.setdefault(label, []).append(over_orders([own], lambda place: 1.0 if place <= k else 0.0))
        shares.append(sum(sum(v) / len(v) for v in by_label.values()) / len(by_label))
    return sum(shares) / len(shares)


def honest(runs, value):
    """(micro, macro) per patient; `runs`: list of {(patient, label): (nearer, tied)}; `value` of a place.

    A patient's value under a label is the mean over the runs in which they were tested; micro takes the best label.
    """
    best, by_label = {}, {}
    for run in runs:
        by_patient = {}
        for (patient, label), own in run.items():
            by_label.setdefault(label, {}).setdefault(patient, []).append(over_orders([own], value))
            by_patient.setdefault(patient, []).append(own)
        for patient, theirs in by_patient.items():
            best.setdefault(patient, []).append(over_orders(theirs, value))
    micro = sum(sum(v) / len(v) for v in best.values()) / len(best)
    means = [sum(sum(v) / len(v) for v in people.values()) / len(people) for people in by_label.values()]
    return micro, sum(means) / len(means)
