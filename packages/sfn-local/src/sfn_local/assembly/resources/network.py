"""Networks in a template, which change nothing here: jobs reach the services on loopback."""

from sfn_local.assembly.resource_types import ResourceType

TYPES = {
    f"AWS::EC2::{name}": ResourceType()
    for name in (
        "InternetGateway",
        "Route",
        "RouteTable",
        "SecurityGroup",
        "SecurityGroupIngress",
        "Subnet",
        "SubnetRouteTableAssociation",
        "VPC",
        "VPCEndpoint",
        "VPCGatewayAttachment",
    )
}
