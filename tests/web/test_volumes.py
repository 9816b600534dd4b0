"""Volumes in a browser: made, in use, deleted."""

from playwright.sync_api import Page, expect

from tests.web.axe import axe
from tests.web.site import Site
from tests.web.watch import Watch


def test_a_volume_is_made_refused_to_be_deleted_while_it_is_used_and_deleted(
    inside: Page, web: Site, watch: Watch
) -> None:
    inside.goto("/p/default/volumes")
    expect(inside.get_by_text("No volumes yet")).to_be_visible()
    inside.get_by_label("Name").fill("Not A Name")
    inside.get_by_role("button", name="Make the volume").click()
    watch.expect("422")
    expect(inside.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    inside.get_by_label("Name").fill("cache")
    inside.get_by_label("Labels").fill("who=<img src=x onerror=alert(1)>\nteam=ml")
    inside.get_by_role("button", name="Make the volume").click()
    row = inside.get_by_role("row", name="cache")
    expect(row).to_contain_text("who=<img src=x onerror=alert(1)>")
    axe(inside)
    mounts = [{"volumeId": "cache", "mountPath": "/cache"}]
    run = web.daemon.submit("sleep", "600", volume_mounts=mounts)
    expect(row.get_by_role("cell").nth(2)).to_have_text("1")
    delete(inside)
    watch.expect("409")
    expect(inside.get_by_role("status")).to_contain_text(run.id)
    run.cancel()
    expect(row.get_by_role("cell").nth(2)).to_have_text("0")
    delete(inside)
    expect(inside.get_by_text("No volumes yet")).to_be_visible()
    assert web.daemon.client.volumes.list() == []


def delete(page: Page) -> None:
    page.get_by_role("button", name="Delete cache").click()
    page.get_by_role("button", name="Yes").click()
