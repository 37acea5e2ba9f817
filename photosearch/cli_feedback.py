"""The verbs about what shoppers teach: learn, learn tables, learn online, learn back."""

import logging

import typer

from photosearch.cli_servers import HomeOption

feedback_app = typer.Typer()
learn_app = typer.Typer(help="Learn from the log of events.", no_args_is_help=False)
feedback_app.add_typer(learn_app, name="learn")


@learn_app.callback(invoke_without_command=True)
def learn(context: typer.Context, home: HomeOption = None) -> None:
    """Learn from the log of events: the tables, then the online re-ranker."""
    if context.invoked_subcommand is None:
        learn_tables(home)
        learn_online(home)


@learn_app.command("tables")
def learn_tables(home: HomeOption = None) -> None:
    """Write anew the tables of what was shown and clicked, and check them."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_feedback import keep_feedback_tables
    from photosearch.feedback.expectations import validate_feedback
    from photosearch.report import one_line, save_report

    settings = load_settings(home)
    report = keep_feedback_tables(settings)
    save_report(settings.home.reports / "feedback.json", report)
    logging.getLogger(__name__).info("feedback: %s", one_line(report))
    validate_feedback(settings.home)


@learn_app.command("online")
def learn_online(home: HomeOption = None) -> None:
    """Bring the online re-ranker up to date; it is used only while it ranks better than none."""
    from photosearch import assembly_feedback
    from photosearch.assembly import load_settings
    from photosearch.report import one_line

    report = assembly_feedback.learn_online(load_settings(home))
    logging.getLogger(__name__).info("online re-ranker: %s", one_line(report))
    typer.echo(
        f"learned from {report.answers} answers, {report.answers_in_all} in all; gain over none "
        f"{report.gain or 'unknown'} on the last {report.judged}: {report.verdict}; "
        f"in use: {report.current}"
    )


@learn_app.command("back")
def learn_back(state: str, home: HomeOption = None) -> None:
    """Go back to an earlier state of the online re-ranker, by its id, or to `none`."""
    from photosearch.assembly import load_settings
    from photosearch.feedback.online_learning import go_back

    made = go_back(load_settings(home).home.states, state)
    typer.echo(f"in use: {made.state_id}, which is {state} and learns on from today's events")
