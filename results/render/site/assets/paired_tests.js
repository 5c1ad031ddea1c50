// Two rows on the same queries: what results/statistics does for `compare`, for a page without a server.
"use strict";

const PairedTests = (() => {
  const DRAWS = 10000, RESAMPLES = 1000, CROSSED_RESAMPLES = 2000, ENOUGH_SEEDS = 3;
  const SCALE = 65534, MISSING = 65535;
  const TIE = 1e-9;

  // sfc32 by Chris Doty-Humphrey (PractRand): 32 random bits a call, the same for the same seed.
  function random(seed) {
    let a = 0, b = 0, c = seed, counter = 1;
    const next = () => {
      const sum = (a + b + counter++) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = ((c << 21) | (c >>> 11)) + sum | 0;
      return sum >>> 0;
    };
    for (let n = 0; n < 15; n++) next();
    return next;
  }

  const below = (next, count) => Math.floor((next() / 4294967296) * count);

  function bytes(text) {
    const raw = atob(text);
    return Uint8Array.from(raw, (one) => one.charCodeAt(0));
  }

  // AP in [0, 1] by query, NaN where it does not count, from little-endian 16-bit numbers.
  function averagePrecision(text) {
    const raw = bytes(text);
    return Float64Array.from({ length: raw.length / 2 }, (_, query) => {
      const value = raw[2 * query] | (raw[2 * query + 1] << 8);
      return value === MISSING ? NaN : value / SCALE;
    });
  }

  const isSet = (bits, query) => (bits[query >> 3] >> (query & 7)) & 1;
  const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;
  const counted = (values) => Array.from(values).filter((one) => !Number.isNaN(one));

  function quantile(sorted, share) {
    const place = share * (sorted.length - 1), low = Math.floor(place);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
  }

  function interval(values) {
    const sorted = Float64Array.from(values).sort();
    return [100 * quantile(sorted, 0.025), 100 * quantile(sorted, 0.975)];
  }

  // Sum over the queries of each identity, and how many of them count.
  function identitySums(values, identities) {
    const sums = new Float64Array(Math.max(...identities) + 1), sizes = new Float64Array(sums.length);
    values.forEach((value, query) => {
      if (Number.isNaN(value)) return;
      sums[identities[query]] += value;
      sizes[identities[query]] += 1;
    });
    return { sums, sizes };
  }

  // Two-sided p of the sign-flip permutation test over identities (paired_tests.py, significance.py).
  // Sums that differ by less than `resolution` are the same: AP was rounded.
  function signFlipP(sums, resolution = 0, draws = DRAWS, seed = 0) {
    const total = sums.reduce((sum, one) => sum + one, 0);
    const size = sums.reduce((sum, one) => sum + Math.abs(one), 0);
    const seen = Math.abs(total) - Math.max(TIE * size, resolution);
    const all = 2 ** sums.length, exact = all <= draws;
    const next = random(seed);
    let extreme = 0, bits = 0;
    for (let draw = 0; draw < (exact ? all : draws); draw++) {
      let sum = 0;
      for (let identity = 0; identity < sums.length; identity++) {
        if (exact) bits = draw >>> identity;
        else bits = identity % 32 ? bits >>> 1 : next();
        sum += bits & 1 ? -sums[identity] : sums[identity];
      }
      if (Math.abs(sum) >= seen) extreme++;
    }
    return exact ? extreme / all : (extreme + 1) / (draws + 1);
  }

  // 95% interval of a mean when identities are drawn anew, and trainings, too, if there are several.
  function bootstrap(bySeed, sizes, resamples, seed) {
    const next = random(seed), means = new Float64Array(resamples);
    const kept = Array.from(sizes.keys()).filter((identity) => sizes[identity] > 0);
    for (let resample = 0; resample < resamples; resample++) {
      const trainings = bySeed.map(() => (bySeed.length > 1 ? below(next, bySeed.length) : 0));
      let sum = 0, size = 0;
      for (let drawn = 0; drawn < kept.length; drawn++) {
        const identity = kept[below(next, kept.length)];
        for (const training of trainings) sum += bySeed[training][identity];
        size += sizes[identity];
      }
      means[resample] = sum / (size * trainings.length);
    }
    return interval(means);
  }

  // Mean over its deviation of the differences of identities: Cohen's d of pairs.
  function effect(sums, sizes) {
    const means = Array.from(sums, (sum, one) => sum / sizes[one]).filter((one) => !Number.isNaN(one));
    const centre = mean(means);
    const squares = means.reduce((sum, one) => sum + (one - centre) ** 2, 0);
    const deviation = means.length > 1 ? Math.sqrt(squares / (means.length - 1)) : 0;
    return deviation > 0 ? centre / deviation : null;
  }

  // Queries that only `ours` gets right at rank 1: mean over attack seeds.
  function onlyRight(ours, theirs, queries) {
    const repeats = Math.max(ours.length, theirs.length);
    let count = 0;
    for (let repeat = 0; repeat < repeats; repeat++) {
      const a = ours[repeat % ours.length], b = theirs[repeat % theirs.length];
      for (let query = 0; query < queries; query++) count += isSet(a, query) & ~isSet(b, query);
    }
    return count / repeats;
  }

  // What two rows say under one attack; `ours` and `theirs` hold {ap, first} of the same trainings.
  // Null if no query counts.
  function contrast(ours, theirs, identities) {
    const queries = identities.length;
    const differences = ours.map((one, seed) => one.ap.map((ap, query) => ap - theirs[seed].ap[query]));
    const overall = Float64Array.from(identities, (_, query) => mean(differences.map((one) => one[query])));
    const { sums, sizes } = identitySums(overall, identities);
    if (!sizes.some((size) => size > 0)) return null;
    const bySeed = differences.map((one) => identitySums(one, identities).sums);
    const map = (part) => 100 * mean(part.map((one) => mean(counted(one.ap))));
    return {
      ours: map(ours),
      theirs: map(theirs),
      bySeed: differences.map((one) => 100 * mean(counted(one))),
      given: bootstrap([sums], sizes, RESAMPLES, 0),
      crossed: ours.length >= ENOUGH_SEEDS ? bootstrap(bySeed, sizes, CROSSED_RESAMPLES, 1) : null,
      p: signFlipP(sums, queries / SCALE),
      effect: effect(sums, sizes),
      flips: [
        mean(ours.map((one, seed) => onlyRight(one.first, theirs[seed].first, queries))),
        mean(ours.map((one, seed) => onlyRight(theirs[seed].first, one.first, queries))),
      ],
      byIdentity: Array.from(sums, (sum, one) => (100 * sum) / sizes[one]).filter((one) => !Number.isNaN(one)),
    };
  }

  const unpacked = (packed) => packed && { ap: averagePrecision(packed.ap), first: packed.first.map(bytes) };

  return { contrast, signFlipP, bootstrap, unpacked };
})();
