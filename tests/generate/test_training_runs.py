"""Settings that only training sees, in real frameworks: what torchvision and timm have is the witness, and chance."""

import importlib.util
import sys

import numpy as np
import pytest

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from tests.generate.test_training import ALL, DROPOUT, EQUAL, NORMS, RISING
from tests.reference import make_counters

pytestmark = [
    pytest.mark.long,
    # the frameworks' own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
FEW = "stages.depths=[1, 1, 1]"
CHANCE = 5
"""How many standard deviations a share may be off."""


def written(folder, name, settings, to):
    """A generated module, imported from its file."""
    ((file, text),) = generate_files(CodeSubject(load(name, settings)), to).items()
    path = folder / file
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"trained_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def network(module, base):
    """The network's class: the last that is of this base."""
    own = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, base) and v is not base]
    return [kind for kind in own if kind.__module__ == module.__name__][-1]


def check_shares(values, keep):
    """Values are 0, or 1 over the probability with which they stay, and about that many stay."""
    values = np.asarray(values).reshape(-1)
    left = values != 0
    np.testing.assert_allclose(values[left], 1 / keep, rtol=1e-6)
    assert abs(left.mean() - keep) < CHANCE * np.sqrt(keep * (1 - keep) / values.size)


class TestTorch:
    torch = None

    @pytest.fixture(autouse=True)
    def _torch(self):
        type(self).torch = pytest.importorskip("torch", exc_type=ImportError)
        make_counters.prepared()  # before torchvision is imported

    def make(self, folder, name, *settings):
        module = written(folder, name, settings, "pytorch")
        self.torch.manual_seed(0)
        return network(module, self.torch.nn.Module)(), module

    @pytest.mark.parametrize("name", ["resnet18", "regnet_y_400mf", "skresnet18", "cbam-resnet50", "regnetz_005"])
    def test_it_computes_the_same_but_for_training(self, tmp_path, name):
        plain, _ = self.make(tmp_path, name)
        model, _ = self.make(tmp_path, name, *ALL)
        assert list(plain.state_dict()) == list(model.state_dict())
        model.load_state_dict(plain.state_dict())
        x = self.torch.randn(4, 3, 64, 64)
        with self.torch.inference_mode():
            assert self.torch.equal(plain.eval()(x), model.eval()(x))
        found = [model.train()(x) for _ in range(2)]
        assert not self.torch.equal(*found)
        found[0].sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())

    @pytest.mark.parametrize("mode", ["row", "batch"])
    def test_a_branch_is_left_out_as_torchvision_does_it(self, tmp_path, mode):
        ops = pytest.importorskip("torchvision.ops", exc_type=ImportError)
        _, module = self.make(tmp_path, "resnet18", RISING)
        for rate in (0.0, 0.1, 0.75):
            x = self.torch.randn(64, 3, 2, 2)
            self.torch.manual_seed(1)
            found = module.StochasticDepth(rate, mode).train()(x)
            self.torch.manual_seed(1)
            assert self.torch.equal(found, ops.stochastic_depth(x, rate, mode, training=True))

    def test_as_many_branches_survive_as_the_rate_says(self, tmp_path):
        _, module = self.make(tmp_path, "resnet18", RISING)
        rows = module.StochasticDepth(0.25).train()(self.torch.ones(20_000, 2, 1, 3))
        assert self.torch.equal(rows, rows[:, :1, :, :1].expand_as(rows))
        check_shares(rows[:, 0, 0, 0], 0.75)
        drop = module.StochasticDepth(0.25, "batch").train()
        batches = [drop(self.torch.ones(3, 2, 2, 2)) for _ in range(4_000)]
        assert all(bool((batch == batch[0, 0, 0, 0]).all()) for batch in batches)
        check_shares([float(batch[0, 0, 0, 0]) for batch in batches], 0.75)

    @pytest.mark.parametrize(
        "name", ["timm-resnet50", "resnet26t", "regnety_002", "regnetz_005", "skresnet18", "resnest14d", "resnetv2_50"]
    )
    def test_rates_and_zeros_are_timms(self, tmp_path, name):
        timm = pytest.importorskip("timm", exc_type=ImportError)
        reference = load(name).spec.reference.removeprefix("timm/")
        ends_in_norms = not name.startswith(("resnetv2", "regnetz"))  # timm has no choice for the latter
        theirs = timm.create_model(reference, drop_path_rate=0.1, **({"zero_init_last": True} if ends_in_norms else {}))
        blocks = [m for m in theirs.modules() if type(getattr(m, "drop_path", None)).__name__ == "DropPath"]
        if name == "regnetz_005":
            blocks = [block for block in blocks if block.downsample is not None]  # what others drop, nothing reads
        rates = [block.drop_path.drop_prob for block in blocks]
        ours, module = self.make(tmp_path, name, RISING, *([NORMS] if ends_in_norms else []))
        found = [m.p for m in ours.modules() if type(m) is module.StochasticDepth]
        assert [rate for rate in found if rate] == pytest.approx(rates)
        zero = [{k for k, v in m.named_parameters() if k.endswith("weight") and not v.any()} for m in (theirs, ours)]
        assert zero[0] == zero[1]
        assert bool(zero[1]) == ends_in_norms

    @pytest.mark.parametrize("name", ["resnet18", "resnet50"])
    def test_zeros_are_torchvisions(self, tmp_path, name):
        models = pytest.importorskip("torchvision.models", exc_type=ImportError)
        theirs, (ours, _) = getattr(models, name)(zero_init_residual=True), self.make(tmp_path, name, NORMS)
        zero = [{k for k, v in m.named_parameters() if k.endswith("weight") and not v.any()} for m in (theirs, ours)]
        assert zero[0] == zero[1] != set()

    def test_every_block_begins_as_its_shortcut(self, tmp_path):
        model, _ = self.make(tmp_path, "resnet18", NORMS)
        block = model.layer1[0].train()
        x = self.torch.rand(2, 64, 8, 8)
        assert self.torch.equal(block(x), x)

    def test_it_is_exported_as_without(self, tmp_path):
        model, _ = self.make(tmp_path, "cifar-resnet20", *ALL)
        x = self.torch.randn(2, 3, 32, 32)
        exported = self.torch.export.export(model.eval(), (x,)).module()
        assert self.torch.equal(exported(x), model(x))


class TestFlax:
    @pytest.fixture(autouse=True)
    def _flax(self, monkeypatch):
        pytest.importorskip("jax", exc_type=ImportError)
        pytest.importorskip("flax", exc_type=ImportError)

    def make(self, folder, name, *settings):
        from flax import nnx

        module = written(folder, name, settings, "flax")
        return network(module, nnx.Module)(rngs=nnx.Rngs(0)), module

    def test_it_computes_the_same_but_for_training(self, tmp_path):
        import jax
        from flax import nnx

        plain, _ = self.make(tmp_path, "cifar-resnet20", FEW)
        model, module = self.make(tmp_path, "cifar-resnet20", FEW, *ALL)
        weights = {".".join(map(str, path)): value[...] for path, value in nnx.to_flat_state(nnx.state(plain))}
        scales = [pair for pair in nnx.to_flat_state(nnx.state(model, nnx.Param)) if pair[0][-1] == "scale"]
        assert [path[-2] for path, value in scales if not value[...].any()] == ["bn2"] * 3
        module.load(model, weights)
        x = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
        run = nnx.jit(lambda model, x: model(x))
        plain.eval(), model.eval()
        assert (run(plain, x) == run(model, x)).all()
        model.train()
        assert (run(model, x) != run(model, x)).any()

    @pytest.mark.parametrize("setting", [RISING, EQUAL])
    def test_rates_rise_from_block_to_block(self, tmp_path, setting):
        model, _ = self.make(tmp_path, "cifar-resnet20", "stages.depths=[12, 1, 1]", setting)
        blocks = [block for stage in (model.layer1, model.layer2, model.layer3) for block in stage]
        wanted = [0.1 * n / 13 for n in range(14)] if setting == RISING else [0.25] * 14
        axes = (1, 2, 3) if setting == RISING else (0, 1, 2, 3)
        assert [block.drop_path.rate for block in blocks] == pytest.approx(wanted)
        assert {block.drop_path.broadcast_dims for block in blocks} == {axes}

    def test_as_many_branches_survive_as_the_rate_says(self, tmp_path):
        import jax.numpy as jnp
        from flax import nnx

        _, module = self.make(tmp_path, "cifar-resnet20", RISING, DROPOUT)
        rows = np.asarray(module.StochasticDepth(0.25, rngs=nnx.Rngs(0))(jnp.ones((20_000, 1, 3, 2))))
        assert (rows == rows[:, :, :1, :1]).all()
        check_shares(rows[:, 0, 0, 0], 0.75)
        drop = module.StochasticDepth(0.25, "batch", rngs=nnx.Rngs(0))
        batches = [np.asarray(drop(jnp.ones((3, 2, 2, 2)))) for _ in range(500)]
        assert all((batch == batch[0, 0, 0, 0]).all() for batch in batches)
        check_shares([batch[0, 0, 0, 0] for batch in batches], 0.75)
