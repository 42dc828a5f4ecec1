"""The Mutation type: what runs, uploads and the changes below can do."""

from local.wandb_server.graph import collections as collection_nodes
from local.wandb_server.graph import ids
from local.wandb_server.graph.artifact_uploads import ArtifactUploads
from local.wandb_server.graph.resolution import ConflictError, InvalidError, NotFoundError
from local.wandb_server.graph.run_changes import Given
from local.wandb_server.store import artifacts, collections
from local.wandb_server.store.artifacts import VersionChange
from local.wandb_server.store.projects import find_project
from local.wandb_server.store.records import Artifact, Collection


class Mutation(ArtifactUploads):
    def update_artifact(self, given: Given) -> Given:
        artifact = self._artifact(given["artifactID"])
        aliases = given.get("aliases")
        change = VersionChange(
            metadata=given.get("metadata"),
            description=given.get("description"),
            ttl_seconds=given.get("ttlDurationSeconds"),
            aliases=None if aliases is None else tuple(alias["alias"] for alias in aliases),
            tags_to_add=tuple(tag["tagName"] for tag in given.get("tagsToAdd") or ()),
            tags_to_delete=tuple(tag["tagName"] for tag in given.get("tagsToDelete") or ()),
        )
        with self.workspace.database.transaction():
            artifacts.change_version(
                self.workspace.database, artifact, change, self.workspace.clock()
            )
        return {"artifact": self._node(artifact.id)}

    def delete_artifact(self, given: Given) -> Given:
        """A version that has an alias, be it `latest`, is deleted only with its aliases.

        The SDK's `Artifact.delete` says so: without `delete_aliases` "raise an exception if the
        artifact has existing aliases". wandb#2843 and #2660 were refused for `latest` alone.
        """
        artifact = self._artifact(given["artifactID"])
        rows = collections.aliases_of_artifact(self.workspace.database, artifact.id)
        held = [row.alias for row in rows]
        if held and not given.get("deleteAliases"):
            raise ConflictError(f"cannot delete an artifact with aliases: {', '.join(held)}")
        with self.workspace.database.transaction():
            artifacts.delete_version(self.workspace.database, artifact, self.workspace.clock())
        return {"artifact": self._node(artifact.id)}

    def _collection(self, entity: str, project: str, name: str) -> Collection:
        database = self.workspace.database
        found = find_project(database, entity, project)
        if found is None:
            raise NotFoundError(f"project {entity}/{project} not found")
        collection = collections.find_collection(database, found.id, name)
        if collection is None:
            raise NotFoundError(f"artifact collection {entity}/{project}/{name} not found")
        return collection

    def _aliases(self, given: Given) -> tuple[Artifact, list[tuple[int, str]]]:
        """The version, and each alias with the collection it is meant in."""
        places = [
            (
                self._collection(
                    row["entityName"], row["projectName"], row["artifactCollectionName"]
                ),
                row["alias"],
            )
            for row in given["aliases"]
        ]
        artifact = self._artifact(given["artifactID"])
        return artifact, [(collection.id, alias) for collection, alias in places]

    def add_aliases(self, given: Given) -> Given:
        artifact, places = self._aliases(given)
        with self.workspace.database.transaction():
            for collection_id, alias in places:
                collections.set_alias(self.workspace.database, collection_id, artifact.id, alias)
        return {"artifact": self._node(artifact.id), "success": True}

    def delete_aliases(self, given: Given) -> Given:
        artifact, places = self._aliases(given)
        with self.workspace.database.transaction():
            for collection_id, alias in places:
                collections.drop_alias(self.workspace.database, collection_id, artifact.id, alias)
        return {"artifact": self._node(artifact.id), "success": True}

    def use_artifact(self, given: Given) -> Given:
        artifact = self._artifact(given["artifactID"])
        run = self._run(given["entityName"], given["projectName"], given["runName"])
        artifacts.record_use(self.workspace.database, artifact.id, run.id, given.get("usedAs"))
        return {"artifact": self._node(artifact.id)}

    def link_artifact(self, given: Given) -> Given:
        """Put a version into a portfolio, which is made when it is new."""
        artifact = self._linked(given)
        with self.workspace.database.transaction():
            portfolio = self._portfolio(given, artifact)
            now = self.workspace.clock()
            member = collections.add_member(self.workspace.database, portfolio.id, artifact, now)
            for alias in (*(given.get("aliases") or ()), {"alias": collections.LATEST}):
                collections.set_alias(
                    self.workspace.database, portfolio.id, artifact.id, alias["alias"]
                )
        node = collection_nodes.MembershipNode(self.workspace, member)
        return {"versionIndex": member.version_index, "artifactMembership": node}

    def _linked(self, given: Given) -> Artifact:
        if given.get("artifactID"):
            return self._artifact(given["artifactID"])
        client_id = given.get("clientID") or ""
        artifact = artifacts.artifact_by_client_id(self.workspace.database, client_id)
        if artifact is None:
            raise NotFoundError("linkArtifact: artifact not found")
        return artifact

    def _portfolio(self, given: Given, artifact: Artifact) -> Collection:
        database = self.workspace.database
        if given.get("artifactPortfolioID"):
            return self._collection_by_id(given["artifactPortfolioID"])
        name = given.get("artifactPortfolioName")
        if not name:
            raise InvalidError("linkArtifact: a portfolio is required")
        project = self._project_for_writing(
            given.get("entityName"), given.get("projectName"), "linkArtifact"
        )
        sequence = self._collection_by_id(ids.encode("ArtifactCollection", artifact.sequence_id))
        origin = collections.type_by_id(database, sequence.type_id)
        now = self.workspace.clock()
        kind = collections.make_type(database, project.id, origin.name, now)
        new = collections.NewCollection(name, collections.PORTFOLIO)
        return collections.find_or_make(database, kind, new, now)

    def _collection_by_id(self, node_id: str) -> Collection:
        number = ids.number("ArtifactCollection", node_id)
        found = collections.collection_by_id(self.workspace.database, number)
        if found is None:
            raise NotFoundError("artifact collection not found")
        return found

    def unlink_artifact(self, given: Given) -> Given:
        artifact = self._artifact(given["artifactID"])
        portfolio = self._collection_by_id(given["artifactPortfolioID"])
        if portfolio.id == artifact.sequence_id:
            raise InvalidError("unlinkArtifact: a version cannot leave the sequence it was made in")
        collections.remove_member(self.workspace.database, portfolio.id, artifact.id)
        return {"success": True, "artifactID": given["artifactID"]}

    def update_artifact_sequence(self, given: Given) -> Given:
        found = self._collection_by_id(given["artifactSequenceID"])
        collections.change_collection(
            *(self.workspace.database, found.id, given.get("name"), given.get("description")),
            self.workspace.clock(),
        )
        node = collection_nodes.CollectionNode.by_id(self.workspace, found.id)
        return {"artifactCollection": node}

    def delete_artifact_sequence(self, given: Given) -> Given:
        found = self._collection_by_id(given["artifactSequenceID"])
        collections.delete_collection(self.workspace.database, found.id)
        node = collection_nodes.CollectionNode(self.workspace, found)
        return {"artifactCollection": node}
