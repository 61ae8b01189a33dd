"""What members of a PyTorch module can be called: what Python cannot spell, and what is taken."""

from __future__ import annotations

from resnet_gen.problems import refuse

_MODULE = """
T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia
named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory
state_dict to to_empty train training type xpu zero_grad _apply _backward_hooks _backward_pre_hooks _buffers _call_impl
_compiled_call_impl _forward_hooks _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks
_forward_pre_hooks_with_kwargs _get_backward_hooks _get_backward_pre_hooks _get_name _is_full_backward_hook
_load_from_state_dict _load_state_dict_post_hooks _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules
_named_members _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook _register_state_dict_hook
_replicate_for_data_parallel _save_to_state_dict _slow_forward _state_dict_hooks _state_dict_pre_hooks _version
_wrapped_call_impl
"""
_HOLDERS = "append clear extend insert items keys pop update values _get_abs_string_index _get_item_by_idx"
TAKEN = frozenset(f"{_MODULE} {_HOLDERS} forward_features reset_parameters".split())
"""Attributes of `nn.Module`, of those that hold others (torch 2.13), and of generated networks."""


def check_member_name(word: str) -> str:
    """The name of a member; raises `Refused` where no PyTorch module can have it."""
    if not word or word in TAKEN or (word.startswith("__") and word.endswith("__")):
        raise refuse(
            f"a part of a layer's name is '{word}', which no member of a PyTorch module can be called",
            hint="it comes from the naming scheme ('naming'); 'paths' has no such name",
        )
    return word
