// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LEAF_BYTES, PAGE_BYTES} from "../generated/Params.sol";
import {Step} from "../machine/Step.sol";
import {StepBase} from "./StepBase.sol";

/// @title A family with loads and stores of up to 16 bytes
/// @dev Mirrors `load` and `store` of vm/machine/src/access/leaves.rs. Bytes on their way are at the top of a word, the
/// first one highest.
abstract contract StepAccess is StepBase {
    /// @dev `n` bytes at the address of a load.
    function _load(Step memory s, uint256 n) internal pure returns (uint256 bytes_) {
        uint256 address_ = _address(s);
        _inMemory(s, address_, n);
        unchecked {
            uint256 first = _least(n, _toLeafEnd(address_));
            bytes_ = _bytesAt(s.openMemory(address_), address_, first);
            if (first < n) {
                address_ += first;
                bytes_ |= _bytesAt(s.openMemory(address_), address_, n - first) >> 8 * first;
            }
        }
    }

    /// @dev Writes the first `n` bytes of `bytes_` at the address of a store, and goes on.
    function _store(Step memory s, uint256 address_, uint256 bytes_, uint256 n) internal pure {
        _inMemory(s, address_, n);
        unchecked {
            uint256 first = _least(n, _toLeafEnd(address_));
            _write(s, address_, bytes_, first);
            if (first < n) _write(s, address_ + first, bytes_ << 8 * first, n - first);
        }
        _next(s);
    }

    /// @dev Cell `a` + the immediate, 33 bits.
    function _address(Step memory s) internal pure returns (uint256) {
        unchecked {
            return uint32(_a(s)) + uint256(uint32(s.ins.imm));
        }
    }

    /// @dev Traps unless `start + len <= memory size`.
    function _inMemory(Step memory s, uint256 start, uint256 len) internal pure {
        unchecked {
            if (start + len > s.header.pages * PAGE_BYTES) s.trap();
        }
    }

    function _toLeafEnd(uint256 offset) internal pure returns (uint256) {
        unchecked {
            return LEAF_BYTES - offset % LEAF_BYTES;
        }
    }

    /// @dev Writes the first `n` bytes of `word` at `address_`, inside one leaf.
    function _write(Step memory s, uint256 address_, uint256 word, uint256 n) private pure {
        uint256 leaf = s.openMemory(address_);
        s.edit(leaf);
        s.put(address_ % LEAF_BYTES, word, n);
        s.commitMemory(leaf, address_);
    }

    /// @dev `n` bytes of the opened leaf around `address_`, at the top of a word.
    function _bytesAt(uint256 leaf, uint256 address_, uint256 n) private pure returns (uint256 word) {
        // Bytes past the n-th are the next ones of the witness: masked off.
        assembly ("memory-safe") {
            word := and(calldataload(add(leaf, and(address_, 127))), not(shr(shl(3, n), not(0))))
        }
    }
}
