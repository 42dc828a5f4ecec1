"""What trainings and people do by the real SDK; `given` and `answer` are the client's."""

COMMIT = """
run = wandb.init(project=given["project"], id=given["run"], resume="allow")
for step in given["steps"]:
    with open("model.ckpt", "w") as file:
        file.write(str(step))
    metadata = {} if step is None else {"step": step}
    if given.get("job"):
        metadata["training_job"] = given["job"]
    artifact = wandb.Artifact(given["collection"], type="model", metadata=metadata)
    artifact.add_file("model.ckpt")
    run.log_artifact(artifact, aliases=given["aliases"]).wait()
run.finish()
"""
BY_REFERENCE = """
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

run = wandb.init(
    project=given["project"],
    id=given["run"] + "-checkpoints",
    group=given["run"],
    job_type="checkpoints",
    resume="allow",
)
metadata = {"step": 100, "sha256": "0" * 64, "training_job": "night-1", "store": given["store"]}
artifact = wandb.Artifact(given["collection"], type="model", metadata=metadata)
with open("files.json", "w") as file:
    file.write("{}")
artifact.add_file("files.json")
key = given["store"] + "night-1/a1/0f3a91c2/checkpoint-100/model.safetensors"
extra = {"etag": "0f", "sha256": "1" * 64}
entry = ArtifactManifestEntry(path="model.safetensors", ref=key, digest="0f", size=3, extra=extra)
artifact.manifest.add_entry(entry)
run.log_artifact(artifact, aliases=["latest"]).wait()
run.finish()
"""
BEGIN = """
wandb.init(project=given["project"], id=given["run"], resume="allow").log({"loss": 1})
"""
FINISH = """
answer(wandb.run.id)
wandb.run.finish()
"""
START_UPLOAD = """
run = wandb.init(project=given["project"], id=given["run"], resume="allow")
with open("model.ckpt", "w") as file:
    file.write("never committed")
artifact = wandb.Artifact(given["collection"], type="model", metadata={"step": 999})
artifact.add_file("model.ckpt")
run.log_artifact(artifact)
run.finish()
"""
# As transformers' callback does it (WandbCallback, WANDB_LOG_MODEL=checkpoint).
HUGGING_FACE = """
run = wandb.init(project=given["project"], id=given["run"], resume="allow")
for metadata, aliases in (
    ({"initial_model": True, "num_parameters": 7}, ["base_model"]),
    ({"train/global_step": 20}, ["epoch_0.5", "checkpoint_global_step_30"]),
    ({"train/global_step": 40, "final_model": True}, ["final_model"]),
):
    with open("weights", "w") as file:
        file.write(aliases[0])
    artifact = wandb.Artifact(given["collection"], type="model", metadata=metadata)
    artifact.add_file("weights")
    run.log_artifact(artifact, aliases=aliases).wait()
run.finish()
"""
LOG_TABLES = """
run = wandb.init(project=given["project"], id=given["run"], resume="allow")
for number in range(given["count"]):
    with open("table", "w") as file:
        file.write(str(number))
    artifact = wandb.Artifact("table", type="run_table")
    artifact.add_file("table")
    run.log_artifact(artifact).wait()
run.finish()
"""
BY_THE_SDK = """
path = given["entity"] + "/" + given["project"] + "/" + given["collection"]
answer([
    {
        "version": one.version,
        "step": one.metadata.get("step"),
        "digest": one.digest,
        "aliases": sorted(one.aliases),
        "state": one.state,
        "run": one.logged_by().id,
    }
    for one in wandb.Api().artifacts("model", path)
])
"""
