"""The sweeps of which `make test` runs a part, evenly spread, and `make test-all` every case.

Each took seconds for cases that are of one kind. A sweep whose cases are few and chosen has them marked where it stands
(`varied.spread`); here are those whose cases come from a table that several tests share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

CASES = {
    "reading/test_exports.py::test_an_export_is_the_spec_of_the_same_reference": 18,
    "reading/test_exports.py::test_layers_of_an_export_are_called_as_in_the_checkpoint": 18,
    "reading/test_optimizers.py::test_graphsurgeon_s_folding_of_constants_is_seen_through": 3,
    "reading/test_optimizers.py::test_onnx_runtime_s_basic_optimizations_are_seen_through": 3,
    "reading/test_own_files.py::test_eight_bits_leave_the_architecture_and_weights_within_a_step": 2,
    "reading/test_own_files.py::test_every_shipped_network_is_read_back": 15,
    "reading/test_own_files.py::test_outputs_and_weights_are_kept": 4,
    "test_action.py::test_a_branch_can_be_the_base_in_a_checkout_of_one_commit": 1,
    "test_action_attacks.py::test_only_its_own_comment_is_edited": 2,
    "test_action_attacks.py::test_a_part_that_ends_its_process_is_no_success": 2,
    "test_against_biases.py::test_a_trained_network_and_real_images_are_no_difference": 4,
    "test_against_biases.py::test_another_bias_of_any_layer_is_found": 3,
    "test_against_changed.py::test_the_file_itself_is_accepted": 10,
    "test_against_changed.py::test_what_is_accepted_computes_the_same": 7,
    "test_against_outputs.py::test_codes_of_what_is_put_out_that_cover_something_else_are_found": 6,
    "test_bundles.py::test_another_tensorrt_is_refused_unless_one_insists": 3,
    "test_bundles.py::test_check_says_what_cannot_be_read": 3,
    "test_bundles.py::test_each_version_of_trtexec_takes_the_options_and_the_outputs_are_within_the_tolerance": 3,
    "test_computed_types.py::test_fp8_is_run_as_it_is_written": 2,
    "test_computed_types.py::test_openvino_is_asked_for_the_file_s_own_type": 9,
    "test_engines.py::test_each_generation_builds_alone": 3,
    "test_engines.py::test_every_depth_builds_in_every_precision_for_all_generations_that_have_it": 3,
    "test_engines.py::test_every_kind_of_operation_builds": 8,
    "test_engines.py::test_networks_of_every_kind_build_in_eight_bits": 2,
    "test_engines.py::test_the_parsed_network_has_our_layers_names_shapes_and_types": 10,
    "test_engines.py::test_tensorrt_itself_declines_the_pairs_that_we_refuse": 1,
    "test_fused.py::test_onnx_runtime_runs_everything_in_integers": 2,
    "test_fused.py::test_openvino_computes_what_onnx_runtime_does_with_attention": 2,
    "test_fused.py::test_openvino_runs_every_convolution_in_integers": 2,
    "test_generate_flax.py::test_every_network_is_one_file_that_compiles": 15,
    "test_generate_flax.py::test_ruff_has_nothing_to_say": 1,
    "test_generate_flax.py::test_weights_convert_writes_what_load_takes": 3,
    "test_generated_pytorch.py::test_it_is_the_network_for_other_numbers_too_and_gives_its_stages_maps": 15,
    "test_generated_pytorch.py::test_it_is_the_network_of_the_specification_with_its_names_and_shapes": 15,
    "test_hostile_names.py::test_a_spec_s_own_name": 3,
    "test_hostile_names.py::test_names_in_an_onnx_file": 3,
    "test_import.py::test_the_weights_come_along_and_the_outputs_stay": 3,
    "test_import_exports.py::test_an_export_is_recovered_as_the_shipped_spec": 18,
    "test_import_verifies.py::test_what_is_recovered_of_a_shipped_network_is_accepted": 4,
    "test_killed.py::test_a_command_that_dies_in_between_is_taken_back_or_complete": 5,
    "test_killed.py::test_whatever_change_the_writer_dies_at_the_next_finds_one_state": 4,
    "test_mutations.py::test_a_mutation_is_noticed_by_the_checks_that_can_tell": 26,
    "test_mutations.py::test_the_unmutated_network_passes_every_check": 6,
    "test_nothing_lost.py::test_a_file_that_is_read_is_no_output": 6,
    "test_nothing_lost.py::test_a_name_of_an_open_stream_is_no_file": 3,
    "test_nothing_unseen.py::test_a_changed_key_is_told_by_review_and_diff_and_locked_if_it_is_built": 33,
    "test_nothing_unseen.py::test_a_changed_key_of_the_project_file_is_told_by_review": 16,
    "test_optimized.py::test_nothing_that_is_written_depends_on_it": 4,
    "test_parts_outside.py::test_an_operation_of_its_own_is_refused_at_the_line_of_the_spec": 3,
    "test_parts_permitted.py::test_a_gate_is_not_passed_by_ending": 3,
    "test_reference_outputs.py::test_the_emitted_network_computes_the_reference_outputs": 5,
    "test_reference_outputs.py::test_the_maps_of_backbones_agree_dilated_cut_off_and_with_other_channels": 4,
    "test_reference_outputs.py::test_the_outputs_agree_at_another_size_of_the_image": 5,
    "test_reference_outputs.py::test_variants_that_nobody_publishes_agree_with_timm_s_own": 5,
    "test_reordered.py::test_a_difference_is_the_same_in_any_order": 6,
    "test_reordered.py::test_what_is_recovered_is_the_same_in_any_order": 3,
    "test_review.py::test_a_spec_of_any_name_is_compared_and_so_are_the_others": 4,
    "test_review.py::test_a_verdict_that_is_no_longer_given_is_told_first": 8,
    "test_review_routes.py::test_a_network_that_its_budget_holds_no_more_is_told_first": 8,
    "test_review_routes.py::test_what_git_has_is_listed_as_what_lies_there_is": 11,
    "test_small_filters.py::test_no_bias_is_lost_whatever_the_norms_factors_are": 2,
    "unit/test_calibrate.py::test_a_spec_keeps_layers_by_place_or_by_name": 3,
    "unit/test_convert.py::test_every_scheme_gives_every_bit_to_every_other_and_back": 6,
    "unit/test_convert.py::test_every_tensor_of_a_shipped_network_finds_back_from_every_scheme": 18,
    "unit/test_infer.py::test_shipped_networks_are_recovered_under_other_names_and_folded": 12,
    "unit/test_infer.py::test_variants_are_recovered": 12,
    "unit/test_modules.py::test_layers_of_any_name_are_the_same_network": 12,
    "unit/test_passes.py::test_passes_compose_in_any_order": 22,
    "unit/test_quantize.py::test_the_network_in_eight_bits_is_nearly_the_network": 10,
    "unit/test_quantize.py::test_the_rules_hold_for_every_kind_of_network": 10,
    "unit/test_stored.py::test_a_pickle_that_would_exhaust_memory_or_the_stack_is_refused": 7,
}
"""How many cases of a test `make test` runs, of those that are not marked `long` where they stand."""


def even(count: int, of: int) -> set[int]:
    """The places of `count` of so many cases, the first and the last among them where there are two."""
    last = max(1, min(count, of) - 1)
    return {(2 * n * (of - 1) + last) // (2 * last) for n in range(min(count, of))}


def thin(items: Iterable[Any]) -> None:
    """Mark those of the items `long` that wait for `make test-all`."""
    for test, cases in _sweeps(items):
        chosen = even(CASES[test], len(cases))
        for place, item in enumerate(cases):
            if place not in chosen:
                item.add_marker(pytest.mark.long)


def _sweeps(items: Iterable[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The tests above, and their cases that are not marked already."""
    found: dict[str, list[Any]] = {}
    for item in items:
        test = item.nodeid.partition("[")[0].removeprefix("tests/")
        if test in CASES and not item.get_closest_marker("long"):
            found.setdefault(test, []).append(item)
    yield from found.items()
