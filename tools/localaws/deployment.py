"""Puts code and templates into S3 and CloudFormation of the local AWS."""

import io
import platform
import time
import zipfile

from .processes import ComponentFailure

BUCKET = "portcullis-code"


def architecture():
    """This machine's architecture in Lambda's words."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def upload_zip(aws, key, file):
    """Uploads a zip of one file, executable, and answers with its key."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        entry = zipfile.ZipInfo(file.name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o755 << 16
        zipped.writestr(entry, file.read_bytes())
    return _upload(aws, key, archive.getvalue())


def upload_template(aws, file):
    """Uploads a template and answers with the URL that another template can nest it by."""
    key = _upload(aws, file.name, file.read_bytes())
    return f"https://s3.amazonaws.com/{BUCKET}/{key}"


def _upload(aws, key, content):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    return key


def deploy(aws, name, template, parameters, seconds=60):
    """Creates a stack and answers with its outputs."""
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=template.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if not stack["StackStatus"].endswith("_IN_PROGRESS") or "ROLLBACK" in stack["StackStatus"]:
            break
        time.sleep(0.1)
    raise ComponentFailure(
        f"stack {name}", f"is {stack['StackStatus']}, not CREATE_COMPLETE", "\n".join(_failures(cloudformation))
    )


def _failures(cloudformation):
    """The reasons that CloudFormation gives, nested stacks included."""
    for stack in cloudformation.describe_stacks()["Stacks"]:
        for event in cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]:
            if event["ResourceStatus"].endswith("FAILED"):
                reason = event.get("ResourceStatusReason", "no reason given")
                yield f"{stack['StackName']}/{event['LogicalResourceId']}: {reason}"
