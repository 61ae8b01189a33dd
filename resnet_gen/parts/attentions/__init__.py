"""Attention: what weighs a branch before it joins the shortcut."""
