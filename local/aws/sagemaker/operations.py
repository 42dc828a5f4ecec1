"""The operations: each takes a checked request and its caller, and returns the answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from local.aws.sagemaker import access, errors, listing, rules, states, views
from local.aws.sagemaker.access import Caller
from local.aws.sagemaker.clock import now
from local.aws.sagemaker.cluster import cluster_of
from local.aws.sagemaker.containers import world_of_several_hosts
from local.aws.sagemaker.control import ControlPlane
from local.aws.sagemaker.inbox import StopRequested
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.lifecycle import launch
from local.aws.sagemaker.pages import page
from local.doubts import TAGS_LAG_SECONDS, Doubts, Missing, echoed

Request = dict[str, Any]
LIST_PAGE, SEARCH_PAGE, TAGS_PAGE = 10, 10, 50


@dataclass(frozen=True)
class Call:
    control: ControlPlane
    caller: Caller
    request: Request

    def allowed(self, action: str, resource: str, conditions: Request | None = None) -> None:
        self.caller.must_be_allowed(f"sagemaker:{action}", resource, conditions)

    def job(self, action: str) -> TrainingJob:
        """Return the named job, if the caller may do this to it."""
        return self._found(action, self.caller.place.arn(self.request["TrainingJobName"]), {})

    def tagged(self, action: str, conditions: Request | None = None) -> TrainingJob:
        """Return the job whose tags the request is about."""
        return self._found(action, self.request["ResourceArn"], conditions or {})

    def _found(self, action: str, arn: str, conditions: Request) -> TrainingJob:
        """Ask IAM first, tags and all: a stranger learns nothing of what exists."""
        job = self.control.registry.by_arn(self.caller.place, arn)
        tags = job.tags if job else {}
        has = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
        self.allowed(action, arn, {**has, **conditions})
        if job is None:
            raise errors.missing(self._missing(action))
        return job

    @property
    def doubts(self) -> Doubts:
        return self.control.settings.doubts

    def _missing(self, action: str) -> Missing:
        said = {
            "ListTags": self.doubts.list_tags_of_missing,
            "DescribeTrainingJob": self.doubts.describe_of_missing,
        }
        return said.get(action, Missing.KNOWN)

    def page_size(self, usual: int) -> int:
        return min(int(self.request.get("MaxResults", usual)), self.control.settings.page_limit)


def create(call: Call) -> Request:
    request, place = call.request, call.caller.place
    arn = place.arn(request["TrainingJobName"])
    access.may_create(call.caller, arn, request)
    rules.check_create(request, call.doubts)
    _check_hosts(call)
    _refuse_as_ordered(call)
    access.role_must_trust_sagemaker(call.caller, request["RoleArn"])
    tags = {tag["Key"]: tag["Value"] for tag in request.pop("Tags", [])}
    request.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": rules.DEFAULT_RUNTIME})
    job = TrainingJob(place, request, tags, states.created(now()))
    with call.control.registry.lock:
        _check_quota(call.control, job)
        call.control.registry.add(job)
    call.control.tell(job)
    launch(call.control, job)
    if call.control.faults.take("create_lost", job.name):
        # The effect is done and its answer is lost: the caller sends again, and is told "in use".
        raise errors.AwsError("InternalFailure", "The answer was lost.", 500)
    return {"TrainingJobArn": job.arn}


def _check_hosts(call: Call) -> None:
    """Refuse several hosts where one would see the files and the name of another."""
    namespaces = call.control.settings.namespaces
    if not cluster_of(call.request).is_several or world_of_several_hosts(namespaces=namespaces):
        return
    raise errors.unsupported_here(
        "several instances where the kernel grants no mount and UTS namespaces: ask for one "
        "instance, or run it as root"
    )


def _refuse_as_ordered(call: Call) -> None:
    name = call.request["TrainingJobName"]
    if call.control.faults.take("create_throttle", name):
        raise errors.throttled()
    if call.control.faults.take("create_quota", name):
        resources = call.request["ResourceConfig"]
        kind, count = resources.get("InstanceType"), resources.get("InstanceCount", 1)
        raise errors.quota(f"{kind} for training job usage", 0, 0, count)


def _check_quota(control: ControlPlane, job: TrainingJob) -> None:
    running = [one for one in control.registry.at(job.place) if not one.state.is_over]
    used = sum(one.instances for one in running)
    allowed = control.settings.instance_quota
    if used + job.instances > allowed:
        kind = job.request["ResourceConfig"].get("InstanceType")
        raise errors.quota(f"{kind} for training job usage", allowed, used, job.instances)


def describe(call: Call) -> Request:
    job = call.job("DescribeTrainingJob")
    stale = call.control.faults.take("describe_stale", job.name)
    return echoed(views.described(job, job.previous if stale else job.state), call.doubts)


def stop(call: Call) -> Request:
    job = call.job("StopTrainingJob")
    with job.lock:
        if job.state.is_over:
            raise errors.too_late(job.state.status)
        if not job.stop_asked:
            job.stop_asked = True
            call.control.enter(job, "Stopping")
            job.inbox.put(StopRequested())
    return {}


def delete(call: Call) -> Request:
    call.control.registry.remove(call.job("DeleteTrainingJob"))
    return {}


def update(call: Call) -> Request:
    """Change what can be changed of a running job: the warm pool's time and remote debugging."""
    job = call.job("UpdateTrainingJob")
    for member in ("ResourceConfig", "RemoteDebugConfig", "ProfilerConfig"):
        if member in call.request:
            old = job.request.get(member, {})
            job.request = {**job.request, member: {**old, **call.request[member]}}
    return {"TrainingJobArn": job.arn}


def list_jobs(call: Call) -> Request:
    call.allowed("ListTrainingJobs", "*")
    jobs = call.control.registry.at(call.caller.place)
    return listing.listed(jobs, call.request, call.page_size(LIST_PAGE))


def search(call: Call) -> Request:
    call.allowed("Search", "*")
    if call.doubts.search_refuses_not_exists:
        rules.check_search(call.request.get("SearchExpression", {}))
    jobs = call.control.registry.at(call.caller.place)
    return listing.searched(jobs, call.request, call.page_size(SEARCH_PAGE))


def add_tags(call: Call) -> Request:
    tags = call.request["Tags"]
    job = call.tagged("AddTags", access.tag_conditions(tags))
    rules.check_tags(tags, job.tags)
    job.tags = {**job.tags, **{tag["Key"]: tag["Value"] for tag in tags}}
    if call.doubts.add_tags_modifies:
        job.change(lambda state: replace(state, modified=now()), lambda: None)
    return {"Tags": views.tag_list(job.tags)}


def list_tags(call: Call) -> Request:
    job = call.tagged("ListTags")
    lags = call.doubts.tags_lag and now() - job.state.created < TAGS_LAG_SECONDS
    tags = views.tag_list({} if lags else job.tags)
    some, token = page(tags, call.request.get("NextToken"), call.page_size(TAGS_PAGE))
    return {"Tags": some, **token}


def delete_tags(call: Call) -> Request:
    keys = call.request["TagKeys"]
    job = call.tagged("DeleteTags", {"aws:TagKeys": keys})
    job.tags = {key: value for key, value in job.tags.items() if key not in keys}
    return {}


OPERATIONS: dict[str, Callable[[Call], Request]] = {
    "CreateTrainingJob": create,
    "DescribeTrainingJob": describe,
    "StopTrainingJob": stop,
    "DeleteTrainingJob": delete,
    "UpdateTrainingJob": update,
    "ListTrainingJobs": list_jobs,
    "Search": search,
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
}
