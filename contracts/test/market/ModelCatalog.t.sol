// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModelCatalog} from "../../src/interfaces/IModelCatalog.sol";
import {Listing, Provenance} from "../../src/interfaces/MarketTypes.sol";
import {Model} from "../../src/interfaces/Types.sol";
import {MarketFixture} from "./MarketFixture.sol";

contract ModelCatalogTest is MarketFixture {
    function _royalty() private view returns (uint256 bps, address to) {
        return catalog.royalty(modelId, PUBLISHER);
    }

    function test_publish_joinsWhatTheRegistryKnows_succeeds() public {
        _publish(250);
        Listing memory l = catalog.listing(modelId, PUBLISHER);
        assertEq(abi.encode(l.provenance), abi.encode(_provenance()), "provenance");
        Model memory m = registry.model(modelId);
        assertTrue(l.modelRoot == m.modelRoot && l.programId == programId && l.length == MODEL_LENGTH, "registry");
        assertTrue(m.modelRoot != 0, "not nothing");
        assertTrue(l.royaltyBps == 250 && l.royaltyTo == AUTHOR, "royalty");
        assertEq(l.publishedAt, block.timestamp, "when");
        assertTrue(catalog.published(modelId, PUBLISHER), "published");
    }

    /// @dev [S] Nobody owns a model: a second publisher lists it too, and changes nothing for the first.
    function test_publish_bySecondPublisher_standsBesideTheFirst_succeeds() public {
        _publish(250);
        Provenance memory p = _provenance();
        p.license = "mine";
        catalog.publish(modelId, p, 2000, address(this));
        (uint256 bps, address to) = _royalty();
        assertTrue(bps == 250 && to == AUTHOR, "the first");
        (bps, to) = catalog.royalty(modelId, address(this));
        assertTrue(bps == 2000 && to == address(this), "the second");
        assertEq(bytes(catalog.listing(modelId, PUBLISHER).provenance.license), "Apache-2.0", "the first's words");
    }

    function test_publish_twice_reverts() public {
        _publish(0);
        Provenance memory p = _provenance();
        vm.prank(PUBLISHER);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.AlreadyPublished.selector, modelId, PUBLISHER));
        catalog.publish(modelId, p, 2000, AUTHOR);
    }

    function test_publish_refused_reverts() public {
        Provenance memory p = _provenance();
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.UnknownModel.selector, keccak256("none")));
        catalog.publish(keccak256("none"), p, 1, AUTHOR);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.RoyaltyTooHigh.selector, 2000, 2001));
        catalog.publish(modelId, p, 2001, AUTHOR);
        vm.expectRevert(IModelCatalog.NoPayee.selector);
        catalog.publish(modelId, p, 1, address(0));
        p.license = string(new bytes(1025));
        vm.expectRevert(IModelCatalog.ListingTooLong.selector);
        catalog.publish(modelId, p, 1, AUTHOR);
        p.license = string(new bytes(1024));
        p.attestations = new bytes32[](33);
        vm.expectRevert(IModelCatalog.ListingTooLong.selector);
        catalog.publish(modelId, p, 1, AUTHOR);
        p.attestations = new bytes32[](32);
        catalog.publish(modelId, p, 0, address(0));
    }

    /// @dev [S] A royalty only falls: no listing is made dear once askers name it.
    function testFuzz_lowerRoyalty_neverRises_succeeds(uint16 first, uint16[8] calldata next) public {
        first %= 2001;
        _publish(first);
        for (uint256 i = 0; i < next.length; ++i) {
            (uint256 now_,) = _royalty();
            vm.prank(PUBLISHER);
            if (next[i] > now_) {
                vm.expectRevert(abi.encodeWithSelector(IModelCatalog.RoyaltyTooHigh.selector, now_, next[i]));
            }
            catalog.lowerRoyalty(modelId, next[i]);
            (uint256 then,) = _royalty();
            assertEq(then, next[i] < now_ ? next[i] : now_, "the lower one");
        }
    }

    /// @dev Only a listing's publisher changes it.
    function test_change_byAnyoneElse_reverts() public {
        _publish(250);
        bytes memory why = abi.encodeWithSelector(IModelCatalog.NotPublished.selector, modelId, address(this));
        vm.expectRevert(why);
        catalog.lowerRoyalty(modelId, 0);
        vm.expectRevert(why);
        catalog.redirectRoyalty(modelId, address(this));
        vm.expectRevert(why);
        catalog.listing(modelId, address(this));
    }

    function test_redirectRoyalty_succeeds() public {
        _publish(250);
        vm.startPrank(PUBLISHER);
        vm.expectRevert(IModelCatalog.NoPayee.selector);
        catalog.redirectRoyalty(modelId, address(0));
        catalog.redirectRoyalty(modelId, ANYONE);
        vm.stopPrank();
        (uint256 bps, address to) = _royalty();
        assertTrue(bps == 250 && to == ANYONE, "redirected");
    }
}
