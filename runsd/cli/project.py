"""``runs project``: who owns what, and who may use it."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import durations, session
from runsd.cli.options import JsonFlag
from runsd.cli.repository import repository

if TYPE_CHECKING:
    from runsd_sdk import GitSource, Project

app = typer.Typer(
    help="Keep projects: owners of runs, volumes, sources and usage. RUNSD_PROJECT chooses one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(metavar="PROJECT", help="Its name.")]
Git = Annotated[
    str | None,
    typer.Option(metavar="URL[@REF]", help="The repository of Python runs that name no source."),
]
NoGit = Annotated[bool, typer.Option("--no-git", help="Such runs have no source.")]
Users = Annotated[list[str], typer.Argument(metavar="USER…", help="Users of the daemon's host, or numbers.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case letters, digits, '-'.")],
    *,
    member: Annotated[
        list[str] | None, typer.Option("--member", metavar="USER", help="Who may use it; repeatable.")
    ] = None,
    git: Git = None,
    json: JsonFlag = False,
) -> None:
    """Make a project."""
    with session.connected() as client:
        _answer(client.projects.create(name, members=member or (), repository=_source(git)), json=json)


@app.command("ls")
def list_projects(*, json: JsonFlag = False) -> None:
    """List the projects that you may use."""
    with session.connected() as client:
        from runsd.cli import output

        projects = client.projects.list()
        if json:
            output.document(projects)
        else:
            output.table(("NAME", "MEMBERS"), [(each.name, " ".join(_users(each))) for each in projects])


@app.command()
def show(project: Name, *, json: JsonFlag = False) -> None:
    """Show one project."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.projects.get(project)
        if json:
            output.document(found)
        else:
            fields = [("name", found.name), ("created", output.local(found.created_at))]
            fields += [("git", _written(found.repository)), ("members", "\n".join(_users(found)))]
            fields += [("limits", "\n".join(_limits(found)))]
            output.fields(fields)


@app.command()
def add(project: Name, users: Users, *, json: JsonFlag = False) -> None:
    """Let users of the daemon's host use a project."""
    with session.connected() as client:
        before = [member.uid for member in client.projects.get(project).members]
        _answer(client.projects.set_members(project, [*before, *users]), json=json)


@app.command()
def remove(project: Name, users: Users, *, json: JsonFlag = False) -> None:
    """Take a project from users of the daemon's host."""
    with session.connected() as client:
        before = client.projects.get(project).members
        unknown = set(users) - {str(word) for member in before for word in (member.uid, member.user)}
        if unknown:
            session.fail(f"{', '.join(sorted(unknown))}: no member of {project}; see runs project show")
        stay = [member.uid for member in before if not {str(member.uid), member.user} & set(users)]
        _answer(client.projects.set_members(project, stay), json=json)


@app.command("set")
def set_(project: Name, *, git: Git = None, no_git: NoGit = False, json: JsonFlag = False) -> None:
    """Say in which repository the Python runs of a project are that name none."""
    if (git is None) is not no_git:
        raise typer.BadParameter("give one of them", param_hint="--git, --no-git")
    with session.connected() as client:
        _answer(client.projects.set_repository(project, _source(git)), json=json)


@app.command()
def limit(
    project: Name,
    *,
    runs: Annotated[
        int | None, typer.Option(metavar="N", help="Live runs at once; 0 lets none start.")
    ] = None,
    cpus: Annotated[str | None, typer.Option(metavar="N", help="Cores that these hold.")] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", "-m", metavar="SIZE", help="Memory that these hold.")
    ] = None,
    queued: Annotated[int | None, typer.Option(metavar="N", help="Queued runs.")] = None,
    monthly_vcpu_seconds: Annotated[
        int | None, typer.Option(metavar="N", help="vCPU-seconds of a calendar month (UTC).")
    ] = None,
    monthly_usd: Annotated[
        str | None, typer.Option(metavar="USD", help="US dollars of a month's bill.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Say what a project may have: these limits, and no others. Without any option all are lifted."""
    said = {
        "runs": runs, "cpu": cpus, "memory": memory and durations.quantity(memory), "queued": queued,
        "monthly_vcpu_seconds": monthly_vcpu_seconds, "monthly_usd": monthly_usd,
    }  # fmt: skip
    with session.connected() as client:
        from runsd_sdk import ProjectLimits
        from runsd_sdk.fields import validated

        given = {name: value for name, value in said.items() if value is not None}
        _answer(client.projects.set_limits(project, validated(ProjectLimits, given)), json=json)


@app.command()
def rm(project: Name, *, json: JsonFlag = False) -> None:
    """Delete a project and its runs; its usage stays on record."""
    with session.connected() as client:
        from runsd.cli import output

        client.projects.delete(project)
        if json:
            output.document([project])
        else:
            output.line(project)


def _answer(project: "Project", *, json: bool) -> None:
    from runsd.cli import output

    if json:
        output.document(project)
    else:
        output.line(project.name)


def _source(git: str | None) -> "GitSource | None":
    from runsd_sdk import GitSource

    return None if git is None else GitSource(**repository(git))


def _written(repository: "GitSource | None") -> str:
    if repository is None:
        return ""
    return repository.url if repository.ref is None else f"{repository.url}@{repository.ref}"


def _limits(project: "Project") -> list[str]:
    said = project.limits.model_dump(exclude_none=True)
    return [f"{name.replace('_', ' ')}: {value}" for name, value in said.items()]


def _users(project: "Project") -> list[str]:
    return [member.user or str(member.uid) for member in project.members]
