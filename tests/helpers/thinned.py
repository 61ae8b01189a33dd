"""The sweeps of which `make test` runs a part, evenly spread, and `make test-all` every case.

Each took seconds for cases that are of one kind. A sweep whose cases are few and chosen has them marked where it stands
(`varied.spread`); here are those whose cases come from a table that several tests share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

CASES = {
    "accuracy/test_accuracy.py::test_fewer_bits_lose_no_more_than_they_may": 6,
    "bad_specs/test_bad_specs.py::test_a_process_of_its_own_that_has_imported_no_part_says_the_same": 3,
    "house/test_infer.py::test_every_part_is_recovered_or_it_is_said_why_not": 34,
    "pages/test_commands_shown.py::test_commands_print_what_the_page_shows": 5,
    "onnx/reading/test_exports.py::test_an_export_is_the_spec_of_the_same_reference": 18,
    "onnx/reading/test_exports.py::test_layers_of_an_export_are_called_as_in_the_checkpoint": 18,
    "onnx/reading/test_foreign.py::test_a_function_called_as_an_operator_of_onnx_s_is_refused_by_its_name": 24,
    "onnx/reading/test_optimizers.py::test_graphsurgeon_s_folding_of_constants_is_seen_through": 3,
    "onnx/reading/test_optimizers.py::test_onnx_runtime_s_basic_optimizations_are_seen_through": 3,
    "onnx/reading/test_own_files.py::test_eight_bits_leave_the_architecture_and_weights_within_a_step": 2,
    "onnx/reading/test_own_files.py::test_every_shipped_network_is_read_back": 15,
    "onnx/reading/test_own_files.py::test_outputs_and_weights_are_kept": 4,
    "cli/test_action.py::test_a_branch_can_be_the_base_in_a_checkout_of_one_commit": 1,
    "cli/test_action_attacks.py::test_a_base_is_no_option_and_no_command": 6,
    "cli/test_action_attacks.py::test_a_part_that_ends_its_process_is_no_success": 1,
    "cli/test_action_attacks.py::test_names_of_files_are_neither_options_nor_several_words_nor_commands": 1,
    "cli/test_action_attacks.py::test_no_link_is_written_through": 3,
    "cli/test_action_attacks.py::test_only_its_own_comment_is_edited": 1,
    "cli/test_action_attacks.py::test_parts_of_a_stranger_s_are_not_run": 3,
    "cli/test_action_attacks.py::test_what_a_glob_found_in_the_base_alone_is_compared": 2,
    "compare/test_against_biases.py::test_a_trained_network_and_real_images_are_no_difference": 4,
    "compare/test_against_biases.py::test_another_bias_of_any_layer_is_found": 3,
    "compare/test_against_biases.py::test_each_kind_of_change_is_found": 4,
    "compare/test_against_biases.py::test_what_calibration_corrects_is_no_difference": 2,
    "compare/test_against_changed.py::test_the_file_itself_is_accepted": 10,
    "compare/test_against_changed.py::test_what_is_accepted_computes_the_same": 7,
    "compare/test_against_outputs.py::test_codes_of_what_is_put_out_that_cover_something_else_are_found": 6,
    "compare/test_against_rounding.py::test_each_of_several_scales_is_compared": 6,
    "build/test_build_options.py::test_an_option_of_build_does_something_or_is_refused": 60,
    "build/test_bundles.py::test_an_engine_whose_outputs_are_off_is_not_kept": 2,
    "build/test_bundles.py::test_another_tensorrt_is_refused_unless_one_insists": 3,
    "build/test_bundles.py::test_check_says_what_cannot_be_read": 3,
    "build/test_bundles.py::test_each_version_of_trtexec_takes_the_options_and_the_outputs_are_within_the_tolerance": 3,
    "cli/test_cli.py::test_a_closed_stream_changes_no_exit_code": 1,
    "cli/test_cli.py::test_an_engine_build_that_is_ended_leaves_nothing": 1,
    "cli/test_cli.py::test_what_an_encoding_lacks_is_printed_all_the_same": 1,
    "infer/test_closest_network.py::test_a_changed_checkpoint_is_closest_to_its_own_network": 18,
    "infer/test_closest_network.py::test_it_is_closest_to_a_network_that_is_shipped_and_nobody_publishes": 3,
    "infer/test_closest_network.py::test_prefixes_are_looked_through_though_some_names_have_none_or_another": 2,
    "engine/test_computed_types.py::test_float32_is_float32_on_every_processor": 2,
    "engine/test_computed_types.py::test_fp8_is_run_as_it_is_written": 1,
    "engine/test_computed_types.py::test_openvino_is_asked_for_the_file_s_own_type": 9,
    "compare/test_diff.py::test_paths_are_the_repository_s_or_with_a_dot_the_folder_s": 2,
    "engine/test_engines.py::test_each_generation_builds_alone": 1,
    "engine/test_engines.py::test_every_depth_builds_in_every_precision_for_all_generations_that_have_it": 1,
    "engine/test_engines.py::test_every_kind_of_operation_builds": 4,
    "engine/test_engines.py::test_networks_of_every_kind_build_in_eight_bits": 1,
    "engine/test_engines.py::test_tensorrt_itself_declines_the_pairs_that_we_refuse": 1,
    "engine/test_engines.py::test_the_parsed_network_has_our_layers_names_shapes_and_types": 6,
    "compare/test_equal_activations.py::test_what_computes_the_same_is_the_spec_and_is_imported": 5,
    "cli/test_examples.py::test_finetune_refuses_folders_before_torch_is_asked_for": 2,
    "quantization/test_extreme_weights.py::test_numpy_never_speaks_for_itself": 10,
    "engine/test_fused.py::test_onnx_runtime_runs_everything_in_integers": 2,
    "engine/test_fused.py::test_openvino_computes_what_onnx_runtime_does_with_attention": 1,
    "engine/test_fused.py::test_openvino_runs_every_convolution_in_integers": 2,
    "generate/test_generate_flax.py::test_every_network_is_one_file_that_compiles": 15,
    "generate/test_generate_flax.py::test_ruff_has_nothing_to_say": 1,
    "generate/test_generate_flax.py::test_weights_convert_writes_what_load_takes": 2,
    "generate/test_generated_outputs.py::test_the_outputs_that_this_very_source_computed_are_the_references": 8,
    "generate/test_generated_pytorch.py::test_a_module_that_is_another_network_is_noticed": 7,
    "generate/test_generated_pytorch.py::test_changed_networks_are_those_of_their_specifications": 12,
    "generate/test_generated_pytorch.py::test_it_is_the_network_for_other_numbers_too_and_gives_its_stages_maps": 15,
    "generate/test_generated_pytorch.py::test_it_is_the_network_of_the_specification_with_its_names_and_shapes": 15,
    "cli/test_hostile_names.py::test_a_spec_s_own_name": 3,
    "cli/test_hostile_names.py::test_names_in_a_file_of_weights": 1,
    "cli/test_hostile_names.py::test_names_in_an_onnx_file": 3,
    "cli/test_hostile_names.py::test_values_and_keys_of_a_spec": 14,
    "quantization/test_images_that_say_nothing.py::test_pictures_of_one_colour_each_are_refused": 6,
    "infer/test_import.py::TestCheckpoints::test_as_many_prefixes_as_for_weights": 3,
    "infer/test_import.py::TestCheckpoints::test_networks_that_nobody_ships": 4,
    "infer/test_import.py::TestCheckpoints::test_of_networks_of_one_shape_the_published_and_the_residual_come_first": 4,
    "infer/test_import.py::test_the_weights_come_along_and_the_outputs_stay": 3,
    "infer/test_import_exports.py::test_an_export_is_recovered_as_the_shipped_spec": 10,
    "infer/test_import_verifies.py::test_what_is_recovered_of_a_shipped_network_is_accepted": 4,
    "system/test_killed.py::test_a_command_that_dies_in_between_is_taken_back_or_complete": 4,
    "system/test_killed.py::test_whatever_change_the_writer_dies_at_the_next_finds_one_state": 3,
    "verify/test_mutations.py::test_a_mutation_is_noticed_by_the_checks_that_can_tell": 10,
    "verify/test_mutations.py::test_the_unmutated_network_passes_every_check": 2,
    "quantization/test_narrow_types.py::test_activations_beyond_float16_are_refused_with_images_and_told_without": 5,
    "system/test_nothing_lost.py::test_a_file_that_is_read_is_no_output": 4,
    "system/test_nothing_lost.py::test_a_name_of_an_open_stream_is_no_file": 3,
    "system/test_nothing_lost.py::test_nor_one_that_is_named_by_what_is_read": 4,
    "compare/test_nothing_unseen.py::test_a_changed_key_is_told_by_review_and_diff_and_locked_if_it_is_built": 14,
    "compare/test_nothing_unseen.py::test_a_changed_key_of_the_project_file_is_told_by_review": 6,
    "cli/test_optimized.py::test_nothing_that_is_written_depends_on_it": 2,
    "system/test_outputs_through_links.py::test_no_command_writes_through_a_link": 12,
    "language/test_parts_beside.py::test_a_part_reads_nothing_that_lies_beside_it": 20,
    "language/test_parts_outside.py::test_a_faulty_file_is_refused_at_the_line_that_names_it": 4,
    "language/test_parts_outside.py::test_an_operation_of_its_own_is_refused_at_the_line_of_the_spec": 3,
    "language/test_parts_outside.py::test_what_is_no_file_of_parts_is_refused": 3,
    "language/test_parts_permitted.py::test_a_gate_is_not_passed_by_ending": 2,
    "language/test_parts_permitted.py::test_every_gate_runs_parts_apart": 2,
    "language/test_parts_permitted.py::test_what_is_none_of_the_words_is_refused": 3,
    "onnx/test_reference_outputs.py::test_the_emitted_network_computes_the_reference_outputs": 3,
    "onnx/test_reference_outputs.py::test_the_maps_of_backbones_agree_dilated_cut_off_and_with_other_channels": 3,
    "onnx/test_reference_outputs.py::test_the_outputs_agree_at_another_size_of_the_image": 3,
    "onnx/test_reference_outputs.py::test_variants_that_nobody_publishes_agree_with_timm_s_own": 3,
    "compare/test_reordered.py::test_a_difference_is_the_same_in_any_order": 6,
    "compare/test_reordered.py::test_a_difference_is_told_in_the_same_words_where_names_are_lost": 10,
    "compare/test_reordered.py::test_one_change_is_one_change_in_any_order": 4,
    "compare/test_reordered.py::test_what_is_recovered_is_the_same_in_any_order": 2,
    "compare/test_review.py::test_a_network_that_is_listed_no_more_is_compared_all_the_same": 2,
    "compare/test_review.py::test_a_project_file_that_could_not_be_read_then_is_told_in_each_format": 3,
    "compare/test_review.py::test_a_project_of_another_folder_reads_nothing_past_itself": 10,
    "compare/test_review.py::test_a_spec_of_any_name_is_compared_and_so_are_the_others": 2,
    "compare/test_review.py::test_a_verdict_that_is_no_longer_given_is_told_first": 8,
    "compare/test_review.py::test_no_file_of_the_working_tree_stands_in_for_the_base_s": 4,
    "compare/test_review.py::test_what_leads_out_of_the_repository_is_not_read": 11,
    "compare/test_review_routes.py::test_a_network_that_its_budget_holds_no_more_is_told_first": 8,
    "compare/test_review_routes.py::test_what_git_has_is_listed_as_what_lies_there_is": 5,
    "quantization/test_small_filters.py::test_no_bias_is_lost_whatever_the_norms_factors_are": 2,
    "quantization/test_calibrate.py::test_a_shift_of_the_biases_takes_the_mean_out_of_the_noise": 1,
    "quantization/test_calibrate.py::test_a_spec_keeps_layers_by_place_or_by_name": 2,
    "system/test_commit.py::test_a_link_put_in_a_file_s_place_meanwhile_is_never_followed": 26,
    "system/test_commit.py::test_what_goes_wrong_at_any_step_leaves_the_old_set_or_the_new": 20,
    "infer/test_convert.py::test_another_head_in_the_file_is_left_out_and_the_network_s_drawn_whole": 14,
    "infer/test_convert.py::test_every_scheme_gives_every_bit_to_every_other_and_back": 3,
    "infer/test_convert.py::test_every_tensor_of_a_shipped_network_finds_back_from_every_scheme": 18,
    "parts/test_heads.py::test_generated_pytorch_is_the_network_at_other_sizes_too": 8,
    "engine/test_image.py::test_numbers_of_any_size_in_a_picture_s_head_are_a_refusal_or_a_picture": 9,
    "infer/test_infer.py::test_shipped_networks_are_recovered_under_other_names_and_folded": 8,
    "infer/test_infer.py::test_variants_are_recovered": 12,
    "generate/test_modules.py::test_layers_of_any_name_are_the_same_network": 12,
    "onnx/test_onnx.py::test_no_window_begins_past_the_map_in_the_file_either": 24,
    "onnx/test_onnx.py::test_onnx_infers_the_shapes_and_types_that_we_state": 60,
    "quantization/test_passes.py::test_passes_compose_in_any_order": 22,
    "quantization/test_quantize.py::test_no_count_changes": 15,
    "quantization/test_quantize.py::test_the_network_in_eight_bits_is_nearly_the_network": 10,
    "quantization/test_quantize.py::test_the_rules_hold_for_every_kind_of_network": 10,
    "generate/test_report.py::test_tables_have_as_many_cells_as_their_heads": 22,
    "language/test_return_types.py::test_a_wrong_result_is_refused_and_says_whose_it_is": 18,
    "language/test_shortcut_notes.py::test_what_is_said_of_some_blocks_is_held_against_those_blocks": 33,
    "language/test_source.py::test_what_nests_too_deep_is_refused_in_our_words_without_recursion": 45,
    "weights/test_state_order.py::test_the_names_are_in_the_order_of_the_published_state_dict": 70,
    "weights/test_checkpoint.py::test_a_changed_byte_is_refused_or_leaves_values_of_the_right_shapes": 2,
    "weights/test_checkpoint.py::test_a_pickle_that_would_exhaust_memory_or_the_stack_is_refused": 7,
    "weights/test_checkpoint.py::test_the_published_weights_of_a_network_load_by_name_whole_and_into_its_backbone": 70,
    "language/test_strides.py::test_every_network_keeps_its_weights_and_its_rules_with_another_last_stride": 22,
    "onnx/test_witness.py::test_every_shipped_network_passes_without_its_data": 43,
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
