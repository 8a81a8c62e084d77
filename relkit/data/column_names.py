"""What shops and CRMs call their columns, in English and Chinese."""

from __future__ import annotations

# Our column → names for it without blanks and signs, the likeliest first.
NAMES = {
    "customer_id": (
        "customerid custid clientid buyerid userid memberid accountid customerno customernumber "
        "customercode customer client buyer member user account cid 客户编号 客户id 客户号 "
        "客户代码 会员编号 会员id 会员号 会员卡号 用户id 用户编号 顾客编号 顾客id 买家id 买家编号 "
        "客户 会员 email customeremail 邮箱"
    ),
    "occurred_at": (
        "paidat 付款时间 支付时间 付款日期 orderdate invoicedate purchasedate transactiondate "
        "orderedat purchasedat occurredat 下单时间 下单日期 交易时间 交易日期 订单时间 订单日期 "
        "成交时间 购买时间 购买日期 消费时间 消费日期 createdat closedate date datetime timestamp "
        "time day 日期 时间"
    ),
    "amount": (
        "amount totalamount orderamount paidamount ordertotal grandtotal total revenue sales spend "
        "dollarvalue dollars value linetotal 实付金额 支付金额 付款金额 实收金额 订单金额 交易金额 "
        "消费金额 成交金额 总金额 金额 销售额 总价"
    ),
    "transaction_id": (
        "transactionid orderid ordernumber orderno invoice invoiceno invoiceid receiptno receiptid "
        "transaction order 订单号 订单编号 订单id 交易号 交易编号 流水号 单号 小票号 发票号"
    ),
    "kind": "kind transactiontype ordertype type 交易类型 订单类型 类型",
    "currency": "currency currencycode 币种 货币",
    "category": "category productcategory productgroup 品类 类别 商品类别 商品分类",
}
QUANTITY = "quantity qty units count pieces 数量 件数 购买数量 商品数量"
PRICE = "unitprice price itemprice 单价 商品单价 价格"
REFUNDED = "refundedamount refundamount refunded refund 退款金额 退款"
WORDS = {
    "purchase": "purchase sale sales order 购买 销售 消费 订单 付款",
    "refund": "refund return returned cancellation 退款 退货 取消",
}
