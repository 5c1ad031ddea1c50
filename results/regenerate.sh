#!/usr/bin/env bash
# Train and attack anew the boards and experiments in results/published: days on 2 CPU cores. The searches
# in tuning are made by the commands in docs/tuning.md. The folders embedded* are older than the board, of
# other defaults (ddid: defense.fnes_options.gamma=1.5 defense.discriminator_weight=0.1), and made by `run
# --defense none,metric-at,ddid --seed 0 1 2 --attack published-grid` (-ablation: ddid with one part off;
# -long: --preset embedded-long; -grid: --attack all --test-dataset none, seed 0).
#
# All runs share one folder of cells, so that no training is repeated from one board to the next, and a
# run that was stopped goes on. Arguments choose parts, such as: results/regenerate.sh board board-long
#
# results/regenerate.sh gpu MINUTES [--plan] [--only NAME ...] is apart from that: a list of work for a GPU by
# priority (benchmark/bench/gpu_work/work_list.py), as much of it as fits; the next call goes on.
set -euo pipefail
cd "$(dirname "$0")/.."

benchmark=("${PYTHON:-.venv/bin/python}" -m benchmark)
work=runs/published
declare -A parts=([balancing]=balancing [fnes]=FNES [discriminator]="the discriminator" [self_meta]=self-meta)
literature=(--attack metric-ifgsm sma fna soft-ap --attack-seed 0)

gpu() { exec "${PYTHON:-.venv/bin/python}" -m benchmark.bench.gpu_work "$@"; }

[ "${1:-}" != gpu ] || gpu "${@:2}"

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

rows() { # all rows of the published board; arguments change the protocol. A label is the name of a row in
         # docs/board.md; with several defenses it is added to theirs
    local plain=none,lgpr,circuitous-scaling,bit-depth,jpeg,offline-at,free-at,free-ddid,uap-at,trades,metric-trades,ddid
    run --preset board --defense "$plain" "$@"
    run --preset board --defense act,avmixup,goat,pgd-at,dynamic-budget-at,metric-at --label "trained at 8/255" "$@"
    run --preset board-wide --label "trained at 12/255" "$@"
    run --preset board-widest --label "dynamic-budget-at, trained at 16/255" "$@"
    run --preset board-tuned --label "ddid, tuned" "$@"
    run --preset board-single-step --label "single step" "$@"
    run --preset board-single-step-pgd --label "single step" "$@"
    run --preset board-single-step-wide --label "single step at 12/255" "$@"
}

board() { rows; }

zoo() { # the first seed of all rows in the protocol of `make run`; their weights are kept
    rows --seed 0 --attack-seed 0 --attack default --test-dataset synthped-campus
}

board-grid() { # ten rows of the board under every attack
    local whole=(--attack all --attack-seed 0)
    run --preset board --defense none,lgpr,offline-at,free-at,uap-at,goat,pgd-at,metric-at "${whole[@]}"
    run --preset board-single-step --defense trades,ddid "${whole[@]}"
}

board-random() { # attacks that average over 20 draws: one training, one attack seed, small batches
    run --preset board --defense none,metric-at,smoothing,diffpure --seed 0 --attack-seed 0 \
        --set evaluation.batch=4
}

board-long() {
    run --preset board-long
    run --preset board-long-single-step --label "single step"
}

board-cross() {
    local campus=("${literature[@]}" --test-dataset synthped-campus)
    run --preset board --defense free-at,free-ddid,pgd-at,metric-at,ddid "${campus[@]}"
    run --preset board-single-step "${campus[@]}" --label "single step"
}

board-ablation() {
    local alone part other
    run --preset board --defense ddid --label "ddid, all four"
    for part in "${!parts[@]}"; do
        run --preset board --defense ddid --set "defense.$part=false" --label "ddid without ${parts[$part]}"
        alone=()
        for other in "${!parts[@]}"; do
            [ "$other" = "$part" ] || alone+=(--set "defense.$other=false")
        done
        run --preset board --defense ddid "${alone[@]}" --label "ddid, ${parts[$part]#the } alone"
    done
}

board-meta-step() { # self-meta learning alone, and its batch of two halves without the meta step
    local alone=(--set defense.balancing=false --set defense.fnes=false --set defense.discriminator=false)
    run --preset board --defense ddid "${alone[@]}" --label "ddid, self-meta alone"
    run --preset board --defense ddid "${alone[@]}" --set defense.inner_rate_scale=1e-6 \
        --label "ddid, self-meta alone, no meta step"
}

board-balancing() { # as many images as the gate accepted of the diffusion model at that seed
    local source seed most=(570 574 655)
    local -A how=([oversampling]=repeated [augmentation]=augmented)
    for seed in 0 1 2; do
        run --preset board --defense ddid --seed "$seed" --label "ddid, images by the diffusion model"
        for source in oversampling augmentation; do
            run --preset board --defense ddid --seed "$seed" --label "ddid, images ${how[$source]}" \
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
everything=(board zoo board-grid board-random board-long board-cross board-ablation board-meta-step board-balancing experiments)
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
    [ "$name" != zoo ] || "${PYTHON:-.venv/bin/python}" -m benchmark.api.zoo_export "$work" \
        --records results/published/zoo --published results/published/board
done
