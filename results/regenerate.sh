#!/usr/bin/env bash
# Train and attack anew the boards and experiments in results/published: days on 2 CPU cores. The searches
# in tuning and the folders embedded* are made by the commands in docs/tuning.md, docs/earlier-runs.md and
# docs/grid.md.
#
# All runs share one folder of cells, so that no training is repeated from one board to the next, and a
# run that was stopped goes on. Arguments choose parts, such as: results/regenerate.sh board board-long
set -euo pipefail
cd "$(dirname "$0")/.."

benchmark=("${PYTHON:-.venv/bin/python}" -m benchmark)
work=runs/published
boards=(board board-wide board-widest board-tuned board-single-step board-single-step-pgd board-single-step-wide)
parts=(balancing fnes discriminator self_meta)
literature=(--attack metric-ifgsm sma fna soft-ap --attack-seed 0)

run() { "${benchmark[@]}" run --output "$work" "$@"; }

publish() { # the records of the runs since the last call
    rm -rf "results/published/$1"
    mkdir -p "results/published/$1"
    cp "$work"/records/* "results/published/$1"
    rm -rf "$work/records"
}

experiment() {
    "${benchmark[@]}" experiment "$@" --output "$work"
    rm -rf "results/published/experiments/$1"
    mkdir -p "results/published/experiments/$1"
    find "$work/experiments/$1" -maxdepth 1 -type f ! -name '*.log' ! -name '*.jsonl' \
        -exec cp {} "results/published/experiments/$1" \;
}

board() { for preset in "${boards[@]}"; do run --preset "$preset"; done; }

board-grid() { # ten rows of the board under every attack
    local whole=(--attack all --attack-seed 0)
    run --preset board --defense none,lgpr,offline-at,free-at,uap-at,goat,pgd-at,metric-at "${whole[@]}"
    run --preset board-single-step --defense trades,ddid "${whole[@]}"
}

board-random() { # attacks that average over 20 draws: one training, one attack seed, small batches
    run --preset board --defense none,metric-at,smoothing,diffpure --seed 0 --attack-seed 0 \
        --set evaluation.batch=4
}

board-long() { for preset in board-long board-long-single-step; do run --preset "$preset"; done; }

board-cross() {
    local campus=("${literature[@]}" --test-dataset synthped-campus)
    run --preset board --defense free-at,free-ddid,pgd-at,metric-at,ddid "${campus[@]}"
    run --preset board-single-step "${campus[@]}"
}

board-ablation() {
    local alone part other
    run --preset board --defense ddid
    for part in "${parts[@]}"; do
        run --preset board --defense ddid --set "defense.$part=false"
        alone=()
        for other in "${parts[@]}"; do
            [ "$other" = "$part" ] || alone+=(--set "defense.$other=false")
        done
        run --preset board --defense ddid "${alone[@]}"
    done
}

board-meta-step() { # self-meta learning alone, and its batch of two halves without the meta step
    local alone=(--set defense.balancing=false --set defense.fnes=false --set defense.discriminator=false)
    run --preset board --defense ddid "${alone[@]}"
    run --preset board --defense ddid "${alone[@]}" --set defense.inner_rate_scale=1e-6
}

board-balancing() { # as many images as the gate accepted of the diffusion model at that seed
    local source seed most=(570 574 655)
    for seed in 0 1 2; do
        run --preset board --defense ddid --seed "$seed"
        for source in oversampling augmentation; do
            run --preset board --defense ddid --seed "$seed" \
                --set "defense.balancing_options.source=$source" \
                --set "defense.balancing_options.most=${most[$seed]}"
        done
    done
}

experiments() {
    local name
    for name in main bias-audit attention embedding-map certificate; do experiment "$name" --seed 0 1 2; done
    experiment classifier-probe --preset board-single-step --attack fna sma metric-ifgsm --attack-seed 0 --seed 0 1 2
    experiment balancing-audit
    experiment detection --defense metric-at
}

rm -rf "$work/records"
everything=(board board-grid board-random board-long board-cross board-ablation board-meta-step board-balancing experiments)
[ $# -gt 0 ] || set -- "${everything[@]}"
for name in "$@"; do
    if [[ " ${everything[*]} " != *" $name "* ]]; then
        echo "error: nothing is called '$name'; there is ${everything[*]}" >&2
        exit 2
    fi
done
for name in "$@"; do
    "$name"
    [ "$name" = experiments ] || publish "$name"
done
