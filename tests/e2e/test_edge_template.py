"""What deploy/cloudformation/edge.yaml makes, and that the Terraform module makes the same of what CloudFront demands.

MiniStack keeps a distribution and does not serve one, so these tests read what CloudFront would be told. The zip has the
layout of the package and a handler that says which build it is.
"""

import io
import json
import re
import time
import zipfile

import boto3
import pytest
from botocore.exceptions import ClientError

import templates
from localaws import deployment
from localaws.ministack import REGION, MiniStack
from localaws.processes import ComponentFailure
from terraform_modules import EDGE, TERRAFORM, evaluate, named, resources

BUCKET = "edge-code"
KEY = "portcullis-edge.zip"
ORIGIN = {"ApiOriginDomain": "abc123.execute-api.eu-west-1.amazonaws.com", "ApiOriginPath": "/prod"}
CERTIFICATE = {"AcmCertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/11111111-2222-3333-4444-555555555555"}
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:gateway-AbCdEf"
KMS_KEY = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
ORIGIN_SECRET = "a-secret-of-the-origin"

# What Lambda@Edge refuses a function for, or does not carry to the edge.
NOT_AT_THE_EDGE = {
    "DeadLetterConfig",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "RuntimeManagementConfig",
    "SnapStart",
    "TracingConfig",
    "VpcConfig",
}
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html
KEPT_WITHOUT_BEING_TOLD = {404, 405, 414, 500, 501, 502, 503, 504}


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    aws = MiniStack(tmp_path_factory.mktemp("edge"))
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield aws
    aws.stop()


@pytest.fixture(scope="module")
def code(aws):
    """Uploads a build, and answers with the parameters that name it."""

    def call(build, key=KEY):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr(
                "aws-lambda-authorizer/src/aws-lambda-authorizer.js",
                f"exports.handler = async () => ({{ status: '403', statusDescription: '{build}' }});",
            )
        stored = aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=archive.getvalue())
        return {"CodeBucket": BUCKET, "CodeKey": key, "CodeVersion": stored["VersionId"]}

    return call


@pytest.fixture
def deploy(aws, code):
    """Deploys the template under a name of its own."""

    def call(name, **parameters):
        return deployment.deploy(aws, name, templates.EDGE, code("first") | parameters)

    return call


@pytest.fixture(scope="module")
def template():
    return templates.load(templates.EDGE)


def test_the_function_is_asked_about_every_request(aws, deploy):
    outputs = deploy("edge", **ORIGIN)
    distribution = configuration(aws, outputs)
    assert distribution.get("CacheBehaviors", {"Quantity": 0})["Quantity"] == 0
    behaviour = distribution["DefaultCacheBehavior"]
    assert behaviour["LambdaFunctionAssociations"]["Items"] == [
        {"EventType": "viewer-request", "LambdaFunctionARN": outputs["FunctionVersionArn"], "IncludeBody": False}
    ]
    every_method = {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}
    assert set(behaviour["AllowedMethods"]["Items"]) == every_method
    assert behaviour["ViewerProtocolPolicy"] == "https-only"


def test_no_answer_is_kept_for_another_caller(aws, deploy):
    distribution = configuration(aws, deploy("edge-cache", **ORIGIN))
    behaviour = distribution["DefaultCacheBehavior"]
    assert behaviour["CachePolicyId"] == CACHING_DISABLED
    assert behaviour["OriginRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_HEADER
    errors = {error["ErrorCode"]: error["ErrorCachingMinTTL"] for error in distribution["CustomErrorResponses"]["Items"]}
    assert errors == dict.fromkeys(KEPT_WITHOUT_BEING_TOLD, 0)


def test_cloudfront_takes_a_numbered_version_that_finds_its_handler(aws, deploy):
    outputs = deploy("edge-version", **ORIGIN)
    assert re.fullmatch(
        rf"arn:aws:lambda:us-east-1:000000000000:function:{outputs['FunctionName']}:[1-9][0-9]*",
        outputs["FunctionVersionArn"],
    )
    assert build_of(aws, outputs["FunctionVersionArn"]) == "first"


def test_the_body_is_shown_where_asked_for(aws, deploy):
    distribution = configuration(aws, deploy("edge-body", **ORIGIN, IncludeBody="true"))
    (association,) = distribution["DefaultCacheBehavior"]["LambdaFunctionAssociations"]["Items"]
    assert association["IncludeBody"] is True


def test_new_code_reaches_the_distribution_as_a_new_version(aws, code, deploy):
    before = deploy("edge-update", **ORIGIN)
    after = update(aws, "edge-update", code("second") | ORIGIN)
    assert after["FunctionVersionArn"] != before["FunctionVersionArn"]
    (association,) = configuration(aws, after)["DefaultCacheBehavior"]["LambdaFunctionAssociations"]["Items"]
    assert association["LambdaFunctionARN"] == after["FunctionVersionArn"]
    assert build_of(aws, after["FunctionVersionArn"]) == "second"
    # Its replicas answer until CloudFront is through with the update, and keep Lambda from deleting it.
    assert build_of(aws, before["FunctionVersionArn"]) == "first"


@pytest.mark.parametrize(
    ("name", "parameters", "published"),
    [
        pytest.param("runtime", {"Runtime": "nodejs24.x"}, True, id="runtime"),
        pytest.param("memory", {"MemorySize": "256"}, True, id="memory"),
        pytest.param("timeout", {"TimeoutSeconds": "4"}, True, id="timeout"),
        pytest.param("price", {"PriceClass": "PriceClass_100"}, False, id="price class"),
        pytest.param("secret", {"SecretArn": SECRET}, False, id="secret"),
        pytest.param("retention", {"LogRetentionDays": "7"}, False, id="retention"),
    ],
)
def test_a_version_is_published_for_a_change_of_the_function_only(aws, code, deploy, name, parameters, published):
    stack = f"edge-change-{name}"
    build = code("first")
    before = deploy(stack, **(build | ORIGIN))
    after = update(aws, stack, build | ORIGIN | parameters)
    assert (after["FunctionVersionArn"] != before["FunctionVersionArn"]) == published


def test_the_same_zip_under_another_key_can_be_deployed(aws, code, deploy):
    before = deploy("edge-key", **ORIGIN)
    after = update(aws, "edge-key", code("first", key="another.zip") | ORIGIN)
    assert after["FunctionVersionArn"] != before["FunctionVersionArn"]


def test_everything_that_the_function_is_made_of_is_in_the_description_of_its_version(template):
    function, version = (template["Resources"][name]["Properties"] for name in ("Function", "Version"))
    # Lambda publishes nothing where the function is as it was published last, so this has to change with it.
    assert version["Description"] == function["Description"]
    described = set(re.findall(r"\$\{(\w+)\}", version["Description"]["Fn::Sub"]))
    # Another name is another function, and with it another version.
    made_of = set(references(function)) & set(template["Parameters"]) - {"FunctionName"}
    assert described == made_of
    longest = template["Resources"]["Version"]["Properties"]["Description"]["Fn::Sub"]
    for name in described:
        longest = longest.replace(f"${{{name}}}", "x" * length(template["Parameters"][name]))
    assert len(longest) <= 256


def test_an_old_version_is_left_alone(template):
    version = template["Resources"]["Version"]
    assert (version["UpdateReplacePolicy"], version["DeletionPolicy"]) == ("Retain", "Retain")


def test_the_function_is_one_that_cloudfront_takes(aws, template, deploy):
    function = template["Resources"]["Function"]["Properties"]
    assert set(function) & NOT_AT_THE_EDGE == set()
    assert function["Architectures"] == ["x86_64"]
    assert "Environment" not in json.dumps(template["Resources"])
    outputs = deploy("edge-function")
    made = aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionVersionArn"])
    assert made["Runtime"] == "nodejs22.x"
    assert made["Handler"] == "aws-lambda-authorizer/src/aws-lambda-authorizer.handler"
    assert (made["MemorySize"], made["Timeout"], made["PackageType"]) == (128, 5, "Zip")
    assert made["Environment"]["Variables"] == {}


def test_lambda_and_its_replicator_take_on_the_role(aws, deploy):
    outputs = deploy("edge-trust")
    role = aws.client("iam").get_role(RoleName=role_name(outputs))["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": ["lambda.amazonaws.com", "edgelambda.amazonaws.com"]},
        "Action": "sts:AssumeRole",
    }


def test_the_role_only_writes_its_log_in_whichever_region_it_runs(aws, deploy):
    outputs = deploy("edge-role")
    assert allowed(aws, outputs) == logs(outputs)
    (group,) = aws.client("logs").describe_log_groups(logGroupNamePrefix=outputs["LogGroupName"])["logGroups"]
    assert group["retentionInDays"] == 30


@pytest.mark.parametrize(
    ("name", "parameters", "more"),
    [
        pytest.param("plain", {"SecretArn": SECRET}, set(), id="default key"),
        pytest.param("key", {"SecretArn": SECRET, "SecretKmsKeyArn": KMS_KEY}, {("kms:Decrypt", KMS_KEY)}, id="own key"),
    ],
)
def test_with_an_arn_the_role_reads_that_secret(aws, deploy, name, parameters, more):
    outputs = deploy(f"edge-secret-{name}", **parameters)
    reads = {("secretsmanager:GetSecretValue", SECRET), ("ssm:GetParameter", SECRET)}
    assert allowed(aws, outputs) == logs(outputs) | reads | more


def test_nothing_is_granted_by_a_wildcard_alone(template):
    granted = list(templates.grants(template))
    assert granted
    assert [pair for pair in granted if "*" in pair[0] or pair[1] == "*"] == []


def test_the_origin_is_reached_over_tls_and_below_its_stage(aws, deploy):
    (origin,) = configuration(aws, deploy("edge-origin", **ORIGIN))["Origins"]["Items"]
    assert (origin["DomainName"], origin["OriginPath"]) == tuple(ORIGIN.values())
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert origin["CustomOriginConfig"]["OriginSslProtocols"]["Items"] == ["TLSv1.2"]
    assert origin.get("CustomHeaders", {"Quantity": 0})["Quantity"] == 0


@pytest.mark.parametrize(
    ("name", "parameters", "header"),
    [
        pytest.param("default", {}, "X-Origin-Verify", id="default name"),
        pytest.param("api-key", {"OriginVerifyHeaderName": "X-Api-Key"}, "X-Api-Key", id="API key"),
    ],
)
def test_the_origin_is_told_a_secret(aws, deploy, name, parameters, header):
    outputs = deploy(f"edge-verify-{name}", **ORIGIN, OriginVerifyHeader=ORIGIN_SECRET, **parameters)
    (origin,) = configuration(aws, outputs)["Origins"]["Items"]
    assert origin["CustomHeaders"]["Items"] == [{"HeaderName": header, "HeaderValue": ORIGIN_SECRET}]
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=f"edge-verify-{name}")["Stacks"]
    assert ORIGIN_SECRET not in json.dumps(stack, default=str)


def test_names_of_ones_own_come_with_their_certificate(aws, deploy):
    outputs = deploy("edge-alias", **ORIGIN, **CERTIFICATE, Aliases="api.example.com,*.api.example.com")
    distribution = configuration(aws, outputs)
    assert distribution["Aliases"]["Items"] == ["api.example.com", "*.api.example.com"]
    certificate = distribution["ViewerCertificate"]
    assert certificate["ACMCertificateArn"] == CERTIFICATE["AcmCertificateArn"]
    assert (certificate["SSLSupportMethod"], certificate["MinimumProtocolVersion"]) == ("sni-only", "TLSv1.2_2021")


def test_without_an_origin_there_is_the_version_for_another_distribution(aws, deploy):
    outputs = deploy("edge-alone")
    assert {"DistributionId", "DistributionDomainName"}.isdisjoint(outputs)
    assert build_of(aws, outputs["FunctionVersionArn"]) == "first"
    stack = aws.client("cloudformation").describe_stack_resources(StackName="edge-alone")["StackResources"]
    assert "AWS::CloudFront::Distribution" not in {it["ResourceType"] for it in stack}


def test_another_region_is_refused(aws, code):
    elsewhere = boto3.client(
        "cloudformation",
        endpoint_url=f"http://127.0.0.1:{aws.port}",
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    assert REGION == "us-east-1"
    with pytest.raises(ClientError, match="functions from us-east-1 only"):
        elsewhere.create_stack(
            StackName="edge-elsewhere",
            TemplateBody=templates.EDGE.read_text(),
            Parameters=parameter_list(code("first") | ORIGIN),
            Capabilities=["CAPABILITY_IAM"],
        )


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        pytest.param({"ApiOriginPath": "/prod"}, "Without ApiOriginDomain", id="a path of nothing"),
        pytest.param({"Aliases": "a.example.com"} | CERTIFICATE, "Without ApiOriginDomain", id="aliases of nothing"),
        pytest.param(CERTIFICATE, "Without ApiOriginDomain", id="a certificate of nothing"),
        pytest.param({"OriginVerifyHeader": ORIGIN_SECRET}, "Without ApiOriginDomain", id="a secret for nothing"),
        pytest.param(ORIGIN | {"Aliases": "a.example.com"}, "Aliases need", id="no certificate"),
        pytest.param({"SecretKmsKeyArn": KMS_KEY}, "SecretKmsKeyArn is the key", id="a key of nothing"),
        pytest.param({"ApiOriginDomain": "https://api.example.com"}, "ApiOriginDomain", id="a URL for a host name"),
        pytest.param(ORIGIN | {"ApiOriginPath": "/prod/"}, "ApiOriginPath", id="a path that ends with a slash"),
        pytest.param(ORIGIN | {"OriginVerifyHeader": "short"}, "OriginVerifyHeader", id="a secret that can be guessed"),
        pytest.param({"SecretArn": "name"}, "SecretArn", id="a name for an ARN"),
        pytest.param({"SecretArn": SECRET.replace("us-east-1", "eu-west-1")}, "SecretArn", id="a secret elsewhere"),
        pytest.param({"SecretArn": SECRET + "*"}, "SecretArn", id="more than one secret"),
        pytest.param(
            ORIGIN | {"AcmCertificateArn": CERTIFICATE["AcmCertificateArn"].replace("us-east-1", "eu-west-1")},
            "AcmCertificateArn",
            id="a certificate elsewhere",
        ),
        pytest.param({"Runtime": "nodejs20.x"}, "Runtime", id="a runtime that has ended"),
        pytest.param({"TimeoutSeconds": "31"}, "TimeoutSeconds", id="slower than CloudFront waits"),
    ],
)
def test_parameters_that_cannot_work_are_refused(deploy, parameters, reason):
    with pytest.raises((ClientError, ComponentFailure), match=reason):
        deploy("edge-refused", **parameters)


def test_terraform_makes_a_function_that_cloudfront_takes():
    function = terraform_resource("aws_lambda_function")
    template = templates.load(templates.EDGE)["Resources"]["Function"]["Properties"]
    assert set(function) & {templates.snake_case(name) for name in NOT_AT_THE_EDGE - {"FileSystemConfigs"}} == set()
    assert "file_system_config" not in function
    assert function["publish"] is True
    assert function["architectures"] == template["Architectures"]
    assert function["handler"] == template["Handler"]
    assert function["region"] == "${local.region}"


def test_terraform_lets_the_same_services_take_on_the_role():
    trust = terraform_resource("aws_iam_role")["assume_role_policy"]
    template = templates.load(templates.EDGE)["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]
    (statement,) = template["Statement"]
    assert re.findall(r'"([a-z]+\.amazonaws\.com)"', trust) == statement["Principal"]["Service"]
    assert re.findall(r'Action = "(.*?)"', trust) == [statement["Action"]]


def test_terraform_lets_the_role_write_the_same_log():
    (policy,) = [body["policy"] for _, name, body in resources(EDGE) if name == "log_policy"]
    (resource,) = re.findall(r'Resource = "(.*?)"', policy)
    in_any_region = "arn:${data.aws_partition.current.partition}:logs:*:${data.aws_caller_identity.current.account_id}"
    assert resource == f"{in_any_region}:log-group:${{aws_cloudwatch_log_group.log_group.name}}:*"
    assert terraform_resource("aws_cloudwatch_log_group")["name"] == "/aws/lambda/us-east-1.${var.function_name}"


def test_terraform_asks_the_published_version_about_every_request():
    ours = terraform_resource("aws_cloudfront_distribution")
    (behaviour,) = ours["default_cache_behavior"]
    template = templates.load(templates.EDGE)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    expected = template["DefaultCacheBehavior"]
    assert "ordered_cache_behavior" not in ours
    assert behaviour["lambda_function_association"] == [
        {
            "event_type": "viewer-request",
            "lambda_arn": "${aws_lambda_function.function.qualified_arn}",
            "include_body": "${var.include_body}",
        }
    ]
    assert behaviour["allowed_methods"] == expected["AllowedMethods"]
    assert behaviour["cache_policy_id"] == expected["CachePolicyId"]
    assert behaviour["origin_request_policy_id"] == expected["OriginRequestPolicyId"]
    assert behaviour["viewer_protocol_policy"] == expected["ViewerProtocolPolicy"]


def test_terraform_sets_up_the_same_origin_and_certificate():
    ours = terraform_resource("aws_cloudfront_distribution")
    template = templates.load(templates.EDGE)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    (origin,), (expected,) = ours["origin"], template["Origins"]
    (protocol,) = origin["custom_origin_config"]
    assert origin["domain_name"] == "${var.api_origin_domain}"
    assert origin["origin_path"] == "${var.api_origin_path}"
    assert protocol["origin_protocol_policy"] == expected["CustomOriginConfig"]["OriginProtocolPolicy"]
    assert protocol["origin_ssl_protocols"] == expected["CustomOriginConfig"]["OriginSSLProtocols"]
    (certificate,) = ours["viewer_certificate"]
    with_one = template["ViewerCertificate"]["Fn::If"][1]
    assert f'"{with_one["MinimumProtocolVersion"]}"' in certificate["minimum_protocol_version"]
    assert f'"{with_one["SslSupportMethod"]}"' in certificate["ssl_support_method"]


@pytest.mark.skipif(TERRAFORM is None, reason="terraform is not on the PATH")
@pytest.mark.parametrize(
    ("local", "variables", "expected"),
    [
        pytest.param("region", {}, "us-east-1", id="region"),
        pytest.param("errors_kept_by_default", {}, sorted(KEPT_WITHOUT_BEING_TOLD), id="errors"),
        pytest.param("origin_headers", {}, [], id="no secret of the origin"),
        pytest.param(
            "origin_headers",
            {"api_origin_domain": "api.example.com", "origin_verify_header": ORIGIN_SECRET},
            ["X-Origin-Verify"],
            id="a secret of the origin",
        ),
        pytest.param("has_distribution", {}, False, id="no distribution"),
        pytest.param("has_distribution", {"api_origin_domain": "api.example.com"}, True, id="a distribution"),
        pytest.param(
            "description",
            {"code_version": "v2", "timeout_seconds": 4},
            f"{BUCKET}/{KEY} v2 nodejs22.x 128 MB 4 s",
            id="description",
        ),
    ],
)
def test_what_terraform_makes_of_the_variables(tmp_path, local, variables, expected):
    code = {"code_bucket": BUCKET, "code_key": KEY}
    assert evaluate(tmp_path, EDGE, code | variables, local) == expected


def test_terraform_keeps_the_secret_of_the_origin_to_itself():
    assert named(EDGE, "variable")["origin_verify_header"]["sensitive"] is True
    assert not any("origin_verify_header" in json.dumps(output) for output in named(EDGE, "output").values())


def configuration(aws, outputs):
    """What CloudFront was told of the distribution."""
    return aws.client("cloudfront").get_distribution_config(Id=outputs["DistributionId"])["DistributionConfig"]


def build_of(aws, version):
    """Which build a version runs."""
    answer = aws.client("lambda").invoke(FunctionName=version, Payload=b"{}")
    result = json.load(answer["Payload"])
    assert "FunctionError" not in answer, result
    return result["statusDescription"]


def update(aws, stack, parameters):
    """Updates a stack, and answers with its outputs."""
    cloudformation = aws.client("cloudformation")
    cloudformation.update_stack(
        StackName=stack,
        TemplateBody=templates.EDGE.read_text(),
        Parameters=parameter_list(parameters),
        Capabilities=["CAPABILITY_IAM"],
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.1)
    assert found["StackStatus"] == "UPDATE_COMPLETE", found.get("StackStatusReason")
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def parameter_list(parameters):
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]


def role_name(outputs):
    return outputs["RoleArn"].rsplit("/", 1)[-1]


def allowed(aws, outputs):
    """Pairs of action and resource in the role."""
    iam = aws.client("iam")
    role = role_name(outputs)
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return set(templates.grants(documents))


def logs(outputs):
    """What a role needs to write the log of Lambda@Edge, wherever the function runs."""
    group = f"arn:aws:logs:*:000000000000:log-group:/aws/lambda/us-east-1.{outputs['FunctionName']}:*"
    return {(f"logs:{action}", group) for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")}


def references(value):
    """The names that a part of a template refers to, but for those inside a text."""
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            yield value["Ref"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references(part)


def length(parameter):
    """The length of the longest value of a parameter."""
    if "AllowedValues" in parameter:
        return max(len(str(value)) for value in parameter["AllowedValues"])
    return parameter["MaxLength"] if "MaxLength" in parameter else len(str(parameter["MaxValue"]))


def terraform_resource(kind):
    """The arguments of the one resource of a type."""
    (body,) = [body for resource_type, _, body in resources(EDGE) if resource_type == kind]
    return body
