// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What work burns, another way than the contract's: one trapezoid for each doubling of the price.
library WorkPrice {
    function burn(uint256 floor, uint256 doublings, uint256 cap, uint256 level, uint256 work)
        internal
        pure
        returns (uint256)
    {
        // Levels are scaled by the number of doublings and prices by the cap, so that both are whole.
        (uint256 from, uint256 to) = (level * doublings, (level + work) * doublings);
        uint256 area = 0;
        for (uint256 i = 0; i < doublings; ++i) {
            uint256 a = from > i * cap ? from : i * cap;
            uint256 b = to < (i + 1) * cap ? to : (i + 1) * cap;
            if (a < b) area += (b - a) * (_price(floor, cap, i, a) + _price(floor, cap, i, b));
        }
        uint256 unit = 2 * cap * doublings * 2 ** 20;
        return area / unit + (area % unit == 0 ? 0 : 1);
    }

    function _price(uint256 floor, uint256 cap, uint256 i, uint256 at_) private pure returns (uint256) {
        uint256 low = floor * 2 ** i;
        return low * cap + low * (at_ - i * cap);
    }
}
