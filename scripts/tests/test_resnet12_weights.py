#!/usr/bin/env python3
"""Names of PyTorch implementations of ResNet-12 become ours."""
import pathlib
import sys
import unittest
from types import SimpleNamespace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reference.resnet12_weights import OF_A_BLOCK, renamed, rows_for, state_dict_in, widths  # noqa: E402


def tensor(*shape):
    return SimpleNamespace(shape=shape)


def state(prefix, in_a_block="", blocks=2):
    return {f"{prefix}layer{i}.{in_a_block}{part}": tensor(8 * i, 3) for i in range(1, blocks + 1) for part in OF_A_BLOCK}


class ResNet12Weights(unittest.TestCase):
    def test_every_known_way_to_name_a_layer_gives_ours(self):
        for prefix, block in (("", ""), ("module.", "0."), ("encoder.", "0."), ("module.encoder.", "")):
            body, head = renamed(state(prefix, block))
            self.assertEqual(sorted(body), sorted(state("")))
            self.assertEqual((widths(body), head), ([8, 16], {}))

    def test_a_state_dict_inside_of_others_is_found(self):
        found = state_dict_in({"epoch": 3, "model": {"embedding": state("module.")}})
        self.assertIn("module.layer1.conv1.weight", found)
        self.assertIsNone(state_dict_in({"epoch": 3, "conv.weight": tensor(3, 3)}))

    def test_running_statistics_are_left_out(self):
        body, _ = renamed({**state(""), "layer1.bn1.running_mean": tensor(8), "layer1.bn1.num_batches_tracked": tensor()})
        self.assertEqual(len(body), 2 * len(OF_A_BLOCK))

    def test_a_layer_of_another_network_is_refused_by_name(self):
        with self.assertRaisesRegex(ValueError, "found layer1.0.conv1.bias"):
            renamed({**state("", "0."), "layer1.0.conv1.bias": tensor(8)})
        whole = state("")
        del whole["layer2.bn3.bias"]
        with self.assertRaisesRegex(ValueError, "need layer2.bn3.bias, found none"):
            renamed(whole)

    def test_a_head_is_taken_where_it_has_a_row_a_way_or_one_for_all(self):
        for rows, expected in ((5, "own"), (1, "shared"), (64, "zeros")):
            _, head = renamed({**state(""), "fcone.weight": tensor(rows, 16), "fcone.bias": tensor(rows)})
            self.assertEqual(rows_for(head, 5, 16), expected)
        self.assertEqual(rows_for({}, 5, 16), "zeros")


if __name__ == "__main__":
    unittest.main()
