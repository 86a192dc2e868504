// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {le128} from "../machine/Instruction.sol";
import {Step} from "../machine/Step.sol";
import {StepAccess} from "./StepAccess.sol";

/// @title Family 6: whole vectors
/// @dev Mirrors vm/machine/src/step/vector.rs.
contract StepVector is StepAccess {
    function _execute(Step memory s, StepContext calldata) internal pure override {
        _require(s, FAMILY_V128, KNOWN_V128, IMM_FORMS_V128);
        uint256 op = s.ins.op;
        if (op == OP_V128_MOVE) _setVector(s, _vector(s, s.ins.a));
        else if (op == OP_V128_LOAD) _setVector(s, le128(_load(s, 16) >> 128));
        else if (op == OP_V128_STORE) _storeVector(s);
        else if (op == OP_V128_SELECT) _select(s);
        else if (op == OP_V128_NOT) _setVector(s, _vector(s, s.ins.a) ^ type(uint128).max);
        else if (op == OP_V128_ANY_TRUE) _set(s, _vector(s, s.ins.a) != 0 ? 1 : 0);
        else _combine(s, op);
    }

    function _storeVector(Step memory s) private pure {
        uint256 address_ = _address(s);
        _store(s, address_, le128(_vector(s, s.ins.b)) << 128, 16);
    }

    function _select(Step memory s) private pure {
        bool first = uint32(_get(s, uint16(s.ins.imm))) != 0;
        _setVector(s, _vector(s, first ? s.ins.a : s.ins.b));
    }

    /// @dev Opcodes of two vectors or three.
    function _combine(Step memory s, uint256 op) private pure {
        uint256 a = _vector(s, s.ins.a);
        uint256 b = _vector(s, s.ins.b);
        if (op == OP_V128_AND) return _setVector(s, a & b);
        if (op == OP_V128_AND_NOT) return _setVector(s, a & ~b);
        if (op == OP_V128_OR) return _setVector(s, a | b);
        if (op == OP_V128_XOR) return _setVector(s, a ^ b);
        // Indices of 16 and more are beyond `a`, and every index is below 256.
        if (op == OP_I8X16_SWIZZLE) return _setVector(s, _pick(a, b, type(uint256).max));
        uint256 c = _vector(s, uint16(s.ins.imm));
        if (op == OP_V128_BITSELECT) return _setVector(s, a & c | b & ~c);
        assert(op == OP_I8X16_SHUFFLE);
        _setVector(s, _pick(a | b << 128, c, 31));
    }

    /// @dev Sixteen bytes of `bytes_`, those whose indices are the bytes of `indices`, each of them masked.
    function _pick(uint256 bytes_, uint256 indices, uint256 mask) private pure returns (uint256 v) {
        unchecked {
            for (uint256 place = 0; place < 128; place += 8) {
                uint256 index = uint8(indices >> place) & mask;
                v |= uint256(uint8(bytes_ >> index * 8)) << place;
            }
        }
    }
}
